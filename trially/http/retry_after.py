"""Retry-After: how many seconds a client should wait before it repeats a refused request."""

import random
import time
from collections.abc import Callable, Hashable
from threading import Lock

from flask import Flask

from trially.cache.ttl_cache import TTLCache
from trially.state import app_state, state_of

SHORTEST_SECONDS = 1
LONGEST_SECONDS = 30
QUIET_SECONDS = 60.0
"""A cause that has refused nothing for this long is over. The next refusal begins anew."""

CAUSES_KEPT = 5_000


class RetryAdvice:
    """Advises longer waits the longer a cause lasts, with jitter so that clients spread out.

    A cause is any hashable value, such as a problem's code with a server's name. The wait is a
    quarter of the time since the cause's first refusal, between 1 and 30 seconds, plus a random
    part of up to half of it. Threads may share an object. `clock` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: TTLCache[Hashable, float] = TTLCache(CAUSES_KEPT, QUIET_SECONDS, clock)
        self._lock = Lock()

    def seconds(self, cause: Hashable) -> int:
        """Record one more refusal for `cause`, and return the seconds that its client should wait.

        The result is between `SHORTEST_SECONDS` and 1.5 times `LONGEST_SECONDS`.
        """
        now = self._clock()
        with self._lock:
            began = self._began.get(cause)
            began = now if began is None else began
            self._began.put(cause, began)
        wait = min(max((now - began) / 4, SHORTEST_SECONDS), LONGEST_SECONDS)
        return round(wait * random.uniform(1, 1.5))  # noqa: S311  spreads clients, hides nothing


def retry_after(*cause: Hashable) -> dict[str, str]:
    """Return the header Retry-After of a refusal for `cause`, and record the refusal."""
    return {"Retry-After": str(app_state().retry_advice.seconds(cause))}


def init_app(app: Flask) -> None:
    """Give the app its advice, which all of its requests share."""
    state_of(app).retry_advice = RetryAdvice()
