"""Read many rows of the current tenant as they are at one moment, without holding them in memory.

The session's transaction enters the guard first and exports its snapshot. A second connection then
reads that snapshot. If it entered the guard by itself, it could wait there for the switch of a
move, and see an epoch that is out of date: its snapshot would be older than the lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import text

from trially.database.engines import engine_registry
from trially.database.placement import current_placement
from trially.database.rows import Item
from trially.database.session import db, open_transaction
from trially.database.watching import GRACE_SECONDS, WatchedConnection
from trially.request_state import request_state

ROWS_AT_A_TIME = 1_000


class Writable(Protocol):
    """A file that bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Write the data."""


@dataclass(frozen=True)
class Snapshot:
    """The current tenant's rows as they were at one moment."""

    raw: connection = field(repr=False)
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    def rows(
        self, statement: sql.Composable, *parameters: Any, at_a_time: int = ROWS_AT_A_TIME
    ) -> Iterator[Item]:
        """Yield the rows of a query as mappings. Only `at_a_time` of them are in memory."""
        name = sql.Identifier(f"snapshot_{next(self._numbers)}")
        fetch = sql.SQL("FETCH {} FROM {}").format(sql.Literal(at_a_time), name)
        with self.raw.cursor() as cursor:
            declare = sql.SQL("DECLARE {} NO SCROLL CURSOR FOR ").format(name)
            cursor.execute(declare + statement, parameters)
            while True:
                cursor.execute(fetch)
                found = cursor.fetchall()
                names = [column.name for column in cursor.description or ()]
                for row in found:
                    yield dict(zip(names, row, strict=True))
                if len(found) < at_a_time:
                    break
            cursor.execute(sql.SQL("CLOSE {}").format(name))

    def copy(self, rows: sql.Composable, target: Writable, options: str = "") -> None:
        """Write the rows of a query as COPY writes them."""
        statement = sql.SQL("COPY ({}) TO STDOUT{}").format(rows, sql.SQL(options))
        with self.raw.cursor() as cursor:
            cursor.copy_expert(statement, target)

    def count(self, statement: sql.Composable) -> int:
        """Return the only value of a query, a number."""
        with self.raw.cursor() as cursor:
            cursor.execute(statement)
            ((number,),) = cursor.fetchall()
            return int(number)

    def run(self, statement: str) -> None:
        """Run a statement without rows."""
        with self.raw.cursor() as cursor:
            cursor.execute(statement)


@contextmanager
def snapshot(longest_seconds: int | None = None) -> Iterator[Snapshot]:
    """Yield what the open transaction of the session sees now, and keep it until the block ends.

    The session's transaction is opened if there is none. It must not end before the block.
    `longest_seconds` is how long each statement may take, and how long the session's transaction
    may wait meanwhile. By default both have the limits of a request.
    """
    open_transaction()
    if longest_seconds is not None:
        limit = f"SET LOCAL idle_in_transaction_session_timeout = '{longest_seconds}s'"
        db.session.execute(text(limit))
    name = db.session.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    placement = current_placement()
    exported = f"BEGIN ISOLATION LEVEL REPEATABLE READ;SET TRANSACTION SNAPSHOT '{name}';"
    with engine_registry().engine_for(placement).connect() as reading:
        request_state().placement = replace(placement, beginning=exported)
        try:
            reading.execute(text("SELECT 1"))
        finally:
            request_state().placement = placement
        raw = reading.connection.driver_connection
        assert isinstance(raw, WatchedConnection)  # noqa: S101
        with _limited(raw, longest_seconds):
            yield Snapshot(raw)


@contextmanager
def _limited(raw: WatchedConnection, longest_seconds: int | None) -> Iterator[None]:
    """Let the statements of a transaction, and its pauses, take as long as this."""
    if longest_seconds is None:
        yield
        return
    with raw.cursor() as cursor:
        cursor.execute(
            f"SET LOCAL statement_timeout = '{longest_seconds}s';"
            f"SET LOCAL idle_in_transaction_session_timeout = '{longest_seconds}s'"
        )
    former, raw.longest_seconds = raw.longest_seconds, longest_seconds + GRACE_SECONDS
    try:
        yield
    finally:
        raw.longest_seconds = former
