"""Connections of tenants: whatever is sent first carries BEGIN and the guard before it.

psycopg2 would send BEGIN as a round trip of its own, and the guard would be another. Here its
connections are in autocommit mode and say BEGIN, COMMIT and ROLLBACK themselves: a statement sent
while no transaction is open goes out behind the current placement's opening, in one message. So
tenancy costs no round trip, and nothing can be sent past the guard: no session's, no Core
statement, no raw cursor's.
"""

import select
import time
from typing import Any

from blinker import Signal
from psycopg2 import Error, errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor
from psycopg2.sql import Composable
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import DisconnectionError

from trially.database.deadline import statement_bound
from trially.database.placement import (
    StalePlacementError,
    TenantSuspendedError,
    WrongTenantError,
    current_placement,
)

REFUSALS: dict[str, Exception] = {
    "TR001": StalePlacementError("The tenant's placement has changed."),
    "TR002": TenantSuspendedError("The tenant is suspended."),
}
"""What the guard's own SQLSTATEs mean."""


statement_was_slow = Signal()
"""Sent with a statement's text, placeholders in it, and the seconds that it took."""


class PlacedCursor(cursor):
    """A cursor that opens the current placement's transaction with its first statement."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        """Send a statement, behind the opening if no transaction is open."""
        if not _is_idle(self.connection):
            super().execute(query, vars)
            return
        opening = opening_on(self.connection)
        if isinstance(query, Composable):
            query = query.as_string(self.connection)
        try:
            super().execute(
                opening.encode() + query if isinstance(query, bytes) else opening + query, vars
            )
        except Error as error:
            raise _refusal(error) from None

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Send a statement for each of some parameters."""
        self._open()
        super().executemany(query, vars_list)

    def callproc(self, procname: Any, parameters: Any = None) -> Any:
        """Call a function."""
        self._open()
        return super().callproc(procname, parameters)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        """Send a COPY statement."""
        self._open()
        super().copy_expert(sql, file, size)

    def copy_from(self, *arguments: Any, **options: Any) -> None:
        """Copy a file into a table."""
        self._open()
        super().copy_from(*arguments, **options)

    def copy_to(self, *arguments: Any, **options: Any) -> None:
        """Copy a table into a file."""
        self._open()
        super().copy_to(*arguments, **options)

    def _open(self) -> None:
        if _is_idle(self.connection):
            try:
                super().execute(opening_on(self.connection))
            except Error as error:
                raise _refusal(error) from None


class PlacedConnection(connection):
    """A connection whose transactions are the current placement's, and said in so many words."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = PlacedCursor
        self.database = self.info.dbname

    def commit(self) -> None:
        """Commit, and say so if the server rolled back instead."""
        if not _is_idle(self):
            speaking = cursor(self)
            speaking.execute("COMMIT")
            if speaking.statusmessage == "ROLLBACK":
                raise errors.InFailedSqlTransaction(
                    "The transaction had failed and was rolled back."
                )

    def rollback(self) -> None:
        """Roll back what is open, if anything is."""
        if not self.closed and not _is_idle(self):
            cursor(self).execute("ROLLBACK")


class PlacedDialect(PGDialect_psycopg2):
    """psycopg2 with connections of tenants."""

    supports_statement_cache = True

    slow_seconds = float("inf")
    """How long a statement takes before it is called slow, whether it succeeds or not."""

    def do_execute(
        self,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any = None,  # noqa: ARG002
    ) -> None:
        """Send a statement, and tell if it was slow: SQLAlchemy's events would cost far more."""
        started = time.perf_counter()
        try:
            cursor.execute(statement, parameters)
        finally:
            seconds = time.perf_counter() - started
            if seconds >= self.slow_seconds:
                statement_was_slow.send(statement, seconds=seconds)


def opening_on(raw: Any) -> str:
    """Return what opens the current placement's transactions.

    Raises `NoTenantError`, or `WrongTenantError` if the connection leads elsewhere.
    """
    placement = current_placement()
    if raw.database != placement.url.database:
        raise WrongTenantError("This connection leads to another tenant's database.")
    return placement.opening + statement_bound()


def replace_if_closed(raw: connection, _record: Any, _checked_out: Any) -> None:
    """Have a connection replaced that the server has closed since it was last used.

    The server says nothing to an idle connection but farewell: so something to read means that,
    and asking the kernel costs no round trip.
    """
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        raise DisconnectionError("The server has closed this connection.")


def _refusal(error: Error) -> Exception:
    """Return what the guard meant, or the error itself if it is not the guard's."""
    refusal = REFUSALS.get(error.pgcode or "")
    return error if refusal is None else type(refusal)(*refusal.args)


def _is_idle(raw: connection) -> bool:
    return raw.get_transaction_status() == TRANSACTION_STATUS_IDLE
