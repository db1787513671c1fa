"""The store in which processes share their counts: Valkey or Redis. It may fail; requests may not.

Each question to it runs in a thread, and is given up after `PATIENCE_SECONDS`, whatever hangs: the
search for its address, the connection, or an answer that arrives byte by byte. Then it is not asked
for `PAUSE_SECONDS`.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING

from trially.observability.limit_metrics import limit_store_available, limit_store_failures_total

if TYPE_CHECKING:
    from limits.storage import Storage

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.05
PAUSE_SECONDS = 5.0
PREFIX = "trially"


class Store:
    """Counts for all processes. One thread at a time may ask it. `clock` returns seconds."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = _open(url)
        self._clock = clock
        self._asked: Future[int] | None = None
        self._asks_again_at = float("-inf")
        self._failed_at: float | None = None

    def add(self, key: str, amount: int, seconds: int) -> int | None:
        """Add to a count, and return it, or None if the store does not answer.

        The store forgets the count `seconds` after it was added to first.
        """
        if self._clock() < self._asks_again_at or self._is_hanging:
            return None
        asked = self._asked = Future()
        Thread(
            target=self._add, args=(asked, key, amount, seconds), name="limits", daemon=True
        ).start()
        try:
            answer = asked.result(PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001  whatever fails in it, requests are answered
            self.distrust("timeout" if isinstance(error, TimeoutError) else "error", error)
            return None
        return answer

    def trust(self) -> None:
        """Note that the last answer can be right."""
        if self._failed_at is not None:
            log.warning(
                "The store of limits works again, after %.0f s.", self._clock() - self._failed_at
            )
            self._failed_at = None
            limit_store_available.set(1)

    def distrust(self, reason: str, error: Exception | None = None) -> None:
        """Ask the store nothing for a while, because of a `timeout`, an `error` or `nonsense`."""
        self._asks_again_at = self._clock() + PAUSE_SECONDS
        limit_store_failures_total.labels(reason).inc()
        if self._failed_at is None:
            self._failed_at = self._clock()
            limit_store_available.set(0)
            cause = reason if error is None else type(error).__name__
            log.warning(
                "The store of limits fails (%s). Each process allows its share of them.", cause
            )

    @property
    def _is_hanging(self) -> bool:
        return self._asked is not None and not self._asked.done()

    def _add(self, asked: "Future[int]", key: str, amount: int, seconds: int) -> None:
        try:
            asked.set_result(self._storage.incr(key, seconds, amount))
        except BaseException as error:  # noqa: BLE001  the waiting thread judges it
            asked.set_exception(error)


def _open(url: str) -> "Storage":
    """Return the library's storage of a URL. It connects when it is asked first."""
    # Importing it takes as long as a fifth of the start, and many installations need no store.
    from limits.storage import RedisStorage

    return RedisStorage(
        url.replace("redis", "valkey", 1) if url.startswith("redis") else url,
        key_prefix=PREFIX,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
    )
