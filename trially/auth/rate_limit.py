"""A limit of how often something may happen: so many at once, and so many per second after that."""

import time
from collections.abc import Callable
from threading import Lock


class RateLimit:
    """Permits `burst` events at once, and one more per `seconds` (a token bucket).

    Threads may share it. `clock` returns seconds.
    """

    def __init__(
        self, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._left = float(burst)
        self._counted_at = clock()

    def permits(self) -> bool:
        """Return whether one more event is permitted, without counting one."""
        with self._lock:
            self._refill()
            return self._left >= 1

    def take(self) -> bool:
        """Return whether one more event is permitted, and count it if so."""
        with self._lock:
            self._refill()
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def _refill(self) -> None:
        now = self._clock()
        since, self._counted_at = now - self._counted_at, now
        refill = since / self._seconds if self._seconds else self._burst
        self._left = min(self._burst, self._left + refill)
