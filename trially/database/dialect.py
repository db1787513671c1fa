"""Connections of tenants: whatever is sent first carries BEGIN and the guard before it.

psycopg2 would send BEGIN as a round trip of its own, and the guard would be another. Here its
connections are in autocommit mode and say BEGIN, COMMIT and ROLLBACK themselves: a statement sent
while no transaction is open goes out behind the current placement's opening, in one message. So
tenancy costs no round trip, and nothing can be sent past the guard: no session's, no Core
statement, no raw cursor's. A statement sent while one is open must be of the tenant that opened it.

What ends a transaction also puts the session back to how it began, in the same message. So nothing
that a statement may have left on the connection waits for whoever has it next, behind a pooler too.
"""

import select
import time
from typing import Any
from uuid import UUID

from blinker import Signal
from psycopg2 import Error, errors
from psycopg2.extensions import (
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    connection,
    cursor,
)
from psycopg2.sql import Composable
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import DisconnectionError

from trially.database.deadline import statement_bound
from trially.database.placement import (
    Placement,
    ReplicaBehindError,
    ReplicaPlacement,
    StalePlacementError,
    TenantSuspendedError,
    WrongTenantError,
    current_placement,
)
from trially.database.replicas import POSITIONS, record_commit

REFUSALS: dict[str, Exception] = {
    "TR001": StalePlacementError("The tenant's placement has changed."),
    "TR002": TenantSuspendedError("The tenant is suspended."),
}
"""What the guard's own SQLSTATEs mean."""

READ_ONLY_TRANSACTION = "25006"

CLEANING = (
    "RESET SESSION AUTHORIZATION;RESET ALL;CLOSE ALL;UNLISTEN *;DEALLOCATE ALL;"
    "SELECT pg_advisory_unlock_all();DISCARD TEMP;DISCARD SEQUENCES"
)
"""What DISCARD ALL does, which may not be sent together with anything else."""


statement_was_slow = Signal()
"""Sent with a statement's text, placeholders in it, and the seconds that it took."""


class PlacedCursor(cursor):
    """A cursor that opens the current placement's transaction with its first statement."""

    connection: "PlacedConnection"

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        """Send a statement, behind the opening if no transaction is open."""
        if not _is_idle(self.connection):
            self.connection.check_tenant()
            super().execute(query, vars)
            return
        placement = current_placement()
        opening = self.connection.open_for(placement)
        if isinstance(query, Composable):
            query = query.as_string(self.connection)
        try:
            super().execute(
                opening.encode() + query if isinstance(query, bytes) else opening + query, vars
            )
        except Error as error:
            raise _refusal(error, placement) from None

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
        if not _is_idle(self.connection):
            self.connection.check_tenant()
            return
        placement = current_placement()
        try:
            super().execute(self.connection.open_for(placement))
        except Error as error:
            raise _refusal(error, placement) from None


class PlacedConnection(connection):
    """A connection whose transactions are the current placement's, and said in so many words."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = PlacedCursor
        self.database = self.info.dbname
        self.tenant_id: UUID | None = None
        """Whose transaction was opened on it since it was last clean."""
        self.followed: str | None = None
        """The server it leads to, if that has replicas."""

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        """Make a cursor, of a kind that passes the guard."""
        factory = options.get("cursor_factory") or PlacedCursor
        if not issubclass(factory, PlacedCursor):
            raise TypeError("A tenant's connection has cursors that pass the guard, and no others.")
        return super().cursor(*arguments, **options)

    def open_for(self, placement: Placement) -> str:
        """Return what opens a placement's transaction, or raise `WrongTenantError`."""
        if self.database != placement.url.database:
            raise WrongTenantError("This connection leads to another tenant's database.")
        self.tenant_id = placement.tenant_id
        self.followed = placement.server if placement.replicas else None
        return placement.opening + statement_bound()

    def check_tenant(self) -> None:
        """Raise `WrongTenantError` unless the current tenant opened this transaction."""
        if current_placement().tenant_id != self.tenant_id:
            raise WrongTenantError("This transaction is another tenant's.")

    def commit(self) -> None:
        """Commit, and say so if the server rolled back instead."""
        has_failed = self.get_transaction_status() == TRANSACTION_STATUS_INERROR
        if self.followed is None or _is_idle(self):
            self._end("COMMIT;")
        else:
            asked_at = time.monotonic()
            [(inserted, flushed)] = self._end("COMMIT;", then=POSITIONS)
            record_commit(self.followed, asked_at, inserted, flushed)
        if has_failed:
            raise errors.InFailedSqlTransaction("The transaction had failed and was rolled back.")

    def rollback(self) -> None:
        """Roll back what is open, if anything is."""
        if not self.closed:
            self._end("ROLLBACK;")

    def _end(self, ending: str, then: str = "") -> list[tuple[Any, ...]]:
        """End what is open, leave the session as it began, and return what `then` asks."""
        if self.tenant_id is None:
            return []
        last = cursor(self)
        last.execute((CLEANING if _is_idle(self) else ending + CLEANING) + then)
        self.tenant_id = None
        return last.fetchall() if then else []


class PlacedDialect(PGDialect_psycopg2):
    """psycopg2 with connections of tenants."""

    supports_statement_cache = True

    slow_seconds = float("inf")
    """How long a statement takes before it is called slow, whether it succeeds or not."""

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tell whether a connection is of no use any more: also where a primary is none now."""
        has_changed_roles = getattr(e, "pgcode", None) == READ_ONLY_TRANSACTION
        if has_changed_roles:
            return True
        return bool(super().is_disconnect(e, connection, cursor))  # type: ignore[no-untyped-call]

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


def replace_if_closed(raw: connection, _record: Any, _checked_out: Any) -> None:
    """Have a connection replaced that the server has closed since it was last used.

    The server says nothing to an idle connection but farewell: so something to read means that,
    and asking the kernel costs no round trip.
    """
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        raise DisconnectionError("The server has closed this connection.")


def _refusal(error: Error, placement: Placement) -> Exception:
    """Return what the guard meant, or the error itself if it is not the guard's.

    A replica's guard knows the tenant as it was, so its refusal means that the primary is to say.
    """
    refusal = REFUSALS.get(error.pgcode or "")
    if refusal is None:
        return error
    if isinstance(placement, ReplicaPlacement):
        return ReplicaBehindError("A replica does not let the tenant in.")
    return type(refusal)(*refusal.args)


def _is_idle(raw: connection) -> bool:
    return raw.get_transaction_status() == TRANSACTION_STATUS_IDLE
