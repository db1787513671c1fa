"""Ask the catalog on behalf of requests, and know whether it answers.

A query runs in a thread of its own, and a request waits for it for a short time only. While the
catalog does not answer, one query at a time finds out whether it does again, and other requests are
told at once that it does not.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, TypeVar

from flask import Flask, current_app
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError

from trially.errors import OperatorError
from trially.observability.metrics import catalog_available, catalog_stale_answers_total
from trially.state import app_state, state_of
from trially.tenancy.catalog_sessions import READER_BIND

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

UNANSWERED = (DBAPIError, CheckoutTimeoutError)
"""Errors of a query to which the catalog gave no answer, except `DataError`."""

PATIENCE_SECONDS = 3.0
"""How long a request waits for an answer that it cannot do without."""

SLOW_SECONDS = 1.0
"""How long it waits if it has an expired answer."""

TRIAL_SECONDS = 0.5
"""How long it waits while the catalog does not answer."""

PAUSE_SECONDS = 1.0
"""How often requests that have expired answers let the catalog be asked while it is away."""


class CatalogUnavailableError(OperatorError):
    """The catalog does not answer."""

    def __init__(self) -> None:
        super().__init__("The catalog does not answer. `flask doctor` tells why.")


class CatalogReader:
    """Runs requests' queries of one catalog. Threads may share it."""

    def __init__(self, stale_seconds: float) -> None:
        self.stale_seconds = stale_seconds
        """How long expired answers may be used while the catalog does not answer."""

        self._lock = Lock()
        self._away_since: float | None = None
        self._running: dict[Future[Any], float] = {}
        """The queries that have no answer yet, and when they began; the oldest first."""

        self._next_trial_at = 0.0
        self._early_lock = Lock()
        self._early: Future[Any] | None = None
        catalog_available.set(1)

    @property
    def is_away(self) -> bool:
        """Whether the catalog failed to answer the last query."""
        return self._away_since is not None

    @property
    def is_slow(self) -> bool:
        """Whether a query has been running for long."""
        with self._lock:
            oldest = next(iter(self._running.values()), float("inf"))
        return time.monotonic() - oldest > SLOW_SECONDS

    def ask(self, query: Callable[[], Answer]) -> Answer:
        """Return the result of a function that queries the catalog.

        Raises `CatalogUnavailableError`, or what the function raises if the catalog did answer.
        """
        seconds = TRIAL_SECONDS if self.is_away else PATIENCE_SECONDS
        try:
            return self.send(query).result(seconds)
        except TimeoutError:
            self._record_away("no answer")
            raise CatalogUnavailableError from None

    def ask_or_use(self, query: Callable[[], Answer], expired: Answer | None, kind: str) -> Answer:
        """Do the same, but return an expired answer if the catalog does not answer soon.

        `kind` is the label under which the metrics count that. Without an expired answer, or if it
        is empty, it is the same as `ask`.
        """
        if not expired:
            return self.ask(query)
        if self.is_away or self.is_slow:
            self.try_again(query)
        else:
            try:
                return self.send(query).result(SLOW_SECONDS)
            except (CatalogUnavailableError, TimeoutError):
                pass
        catalog_stale_answers_total.labels(kind).inc()
        return expired

    def renew_early(self, query: Callable[[], object]) -> None:
        """Run a query, for which nobody waits, before the answer that it renews expires.

        One such query runs at a time. The caller's answer stays in use if it is not this one.
        """
        if self.is_away or self.is_slow:
            self.try_again(query)
            return
        with self._early_lock:
            if self._early is None or self._early.done():
                self._early = self.send(query)

    def try_again(self, query: Callable[[], object]) -> None:
        """Run a query, for which nobody waits, to find out whether the catalog answers again."""
        with self._lock:
            now = time.monotonic()
            is_due, self._next_trial_at = now >= self._next_trial_at, now + PAUSE_SECONDS
        if is_due:
            self.send(query)

    def send(self, query: Callable[[], Answer]) -> "Future[Answer]":
        """Start a function that queries the catalog, and return its future result.

        While the catalog does not answer, only one function runs at a time. For any other, the
        result is `CatalogUnavailableError`.
        """
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        asked: Future[Answer] = Future()
        with self._lock:
            is_refused = self.is_away and bool(self._running)
            if not is_refused:
                self._running[asked] = time.monotonic()
        if is_refused:
            asked.set_exception(CatalogUnavailableError())
        else:
            Thread(target=self._run, args=(app, query, asked), name="catalog", daemon=True).start()
        return asked

    def _run(self, app: Flask, query: Callable[[], Answer], asked: "Future[Answer]") -> None:
        try:
            with app.app_context():
                answer = query()
        except BaseException as error:  # noqa: BLE001  the waiting thread raises it
            is_answer = not isinstance(error, UNANSWERED) or isinstance(error, DataError)
            self._record_end(asked, None if is_answer else error)
            asked.set_exception(error if is_answer else CatalogUnavailableError())
        else:
            self._record_end(asked, None)
            asked.set_result(answer)

    def _record_end(self, asked: "Future[Any]", error: BaseException | None) -> None:
        with self._lock:
            del self._running[asked]
        if error is None:
            self._record_answer()
        else:
            cause = getattr(error, "orig", None) or error
            self._record_away(type(cause).__name__, getattr(cause, "pgcode", None))

    def _record_answer(self) -> None:
        with self._lock:
            since, self._away_since = self._away_since, None
        if since is not None:
            catalog_available.set(1)
            log.warning("The catalog answers again, after %.0f s.", time.monotonic() - since)

    def _record_away(self, reason: str, sqlstate: str | None = None) -> None:
        with self._lock:
            is_first = self._away_since is None
            if is_first:
                self._away_since = time.monotonic()
        if is_first:
            catalog_available.set(0)
            log.warning(
                "The catalog does not answer (%s). Expired answers are used for up to %.0f s.",
                sqlstate or reason,
                self.stale_seconds,
                extra={"sqlstate": sqlstate, "bind_key": READER_BIND},
            )


def catalog_reader() -> CatalogReader:
    """Return the current app's reader of the catalog."""
    return app_state().catalog_reader


def init_app(app: Flask, stale_seconds: float) -> None:
    """Give the app its reader of the catalog."""
    state_of(app).catalog_reader = CatalogReader(stale_seconds)
