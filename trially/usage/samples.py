"""Add up what a process counts of each tenant in each hour, and send the sums to the catalog.

A process sends, for each tenant and hour, how much it has counted in all. The catalog keeps the
largest number that it got. So a sum may be sent twice, and an answer that was lost does no harm.
What a process has counted since it has last sent is lost if it is killed.
"""

import atexit
import datetime as dt
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from uuid import UUID, uuid4

import orjson
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import reader_engine

log = logging.getLogger(__name__)

MOST_SUMS = 100_000
"""Sums that a process keeps while the catalog does not answer. More are dropped."""

_SENT_AT_ONCE = 2_000
_NOTE = text("SELECT note_usage(CAST(:noted AS jsonb))")

_Key = tuple[UUID, dt.datetime]


@dataclass
class Sum:
    """What a process has counted of one tenant in one hour."""

    requests: int = 0
    database_us: int = 0
    egress_bytes: int = 0
    is_sent: bool = False


class UsageCounter:
    """Counts for one process. Threads may share it. It sends from a thread of its own."""

    def __init__(self, app: Flask, flush_seconds: float) -> None:
        self._app = app
        self._flush_seconds = flush_seconds
        self._stopping = Event()
        self._started_by = os.getpid()
        self._process_id = uuid4()
        self._lock = Lock()
        self._sums: dict[_Key, Sum] = {}
        self._is_running = False
        self._dropped = 0

    def add(
        self,
        tenant_id: UUID,
        *,
        requests: int = 0,
        database_seconds: float = 0.0,
        egress_bytes: int = 0,
    ) -> None:
        """Add to the sums of a tenant in this hour."""
        if self._started_by != os.getpid():
            self._start_counting()
        key = (tenant_id, _this_hour())
        with self._lock:
            known = self._sums.get(key)
            if known is None:
                if len(self._sums) >= MOST_SUMS:
                    self._dropped += 1
                    return
                known = self._sums[key] = Sum()
            known.requests += requests
            known.database_us += round(database_seconds * 1_000_000)
            known.egress_bytes += egress_bytes
            known.is_sent = False
            must_start, self._is_running = not self._is_running, True
        if must_start:
            Thread(target=self._run, name="usage", daemon=True).start()
            atexit.register(self._end)

    def flush(self) -> None:
        """Send what was counted. What the catalog does not accept is sent the next time."""
        with self._app.app_context():
            if catalog_reader().is_away:
                raise CatalogUnavailableError
        with self._lock:
            unsent = [key for key, each in self._sums.items() if not each.is_sent]
        for start in range(0, len(unsent), _SENT_AT_ONCE):
            self._send(unsent[start : start + _SENT_AT_ONCE])
        now = _this_hour()
        with self._lock:
            ended = [key for key, each in self._sums.items() if each.is_sent and key[1] < now]
            for key in ended:
                del self._sums[key]
            dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("Usage was not counted %d times, because too much waits.", dropped)

    def stop(self) -> None:
        """End the thread. What was counted since is not sent."""
        self._stopping.set()

    def _send(self, keys: list[_Key]) -> None:
        """Send some sums. They count as sent before, so that a later addition sends them again."""
        with self._lock:
            rows = [
                {
                    "tenant_id": tenant_id,
                    "hour": hour,
                    "process_id": self._process_id,
                    "requests": self._sums[tenant_id, hour].requests,
                    "database_us": self._sums[tenant_id, hour].database_us,
                    "egress_bytes": self._sums[tenant_id, hour].egress_bytes,
                }
                for tenant_id, hour in keys
            ]
            for key in keys:
                self._sums[key].is_sent = True
        try:
            with self._app.app_context():
                # Not by the reader: a slow write must not tell requests that the catalog is away.
                _write(orjson.dumps(rows).decode())
        except BaseException:
            with self._lock:
                for key in keys:
                    self._sums[key].is_sent = False
            raise

    def _run(self) -> None:
        while not self._stopping.wait(self._flush_seconds):
            try:
                self.flush()
            except CatalogUnavailableError:
                log.warning("Usage was not sent, because the catalog does not answer.")
            except Exception as error:  # noqa: BLE001  the next time may succeed
                log.warning("Usage was not sent: %s.", type(error).__name__)

    def _end(self) -> None:
        """Send what was counted last, when the process ends."""
        if self._stopping.is_set() or self._started_by != os.getpid():
            return
        self.stop()
        unsent = [key for key, each in self._sums.items() if not each.is_sent]
        with suppress(Exception):
            self._send(unsent)

    def _start_counting(self) -> None:
        """Begin with nothing: in a new process, also in one that was forked."""
        self._started_by = os.getpid()
        self._process_id = uuid4()
        self._lock = Lock()
        self._sums = {}
        self._is_running = False
        self._dropped = 0


def _this_hour() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)


def _write(noted: str) -> None:
    # An older catalog lacks the function.
    with suppress(ProgrammingError), reader_engine().begin() as catalog:
        catalog.execute(_NOTE, {"noted": noted})
