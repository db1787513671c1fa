"""How fast work on many tenants goes: rates, and pauses after attempts that failed.

Backfills use it too. It imports nothing that loads Alembic, because workers need no migrations.
"""

import random
import time
from collections.abc import Callable
from threading import Event, Lock

import psycopg2

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0


class Rate:
    """Lets threads begin at most so many things per second."""

    def __init__(self, per_second: float) -> None:
        self._seconds = 1 / per_second
        self._lock = Lock()
        self._next = 0.0

    def wait(self, stopping: Event, number: int = 1) -> None:
        """Wait for the turn of this thread to begin a number of things, or for `stopping`."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + self._seconds * number
        stopping.wait(at - now)


def pause_after(number: int, chance: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after an attempt: longer each time, and different in each thread.

    Places that failed together should not try again together.
    """
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2**number) * (0.5 + chance() / 2))


def is_lost_server(error: BaseException) -> bool:
    """Return whether an error says that no connection could be opened, or that it was lost."""
    original = getattr(error, "orig", None) or error
    is_operational = isinstance(original, psycopg2.OperationalError)
    return is_operational and getattr(original, "pgcode", None) is None
