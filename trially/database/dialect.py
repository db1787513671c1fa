"""Connections of tenants: the first statement of a transaction carries BEGIN and the guard.

psycopg2 would send BEGIN as a round trip of its own, and the guard would be another. Here
psycopg2's connections are in autocommit mode, and this module sends BEGIN, COMMIT and ROLLBACK. A
statement sent while no transaction is open goes out behind the current placement's opening, in one
message. So tenancy costs no round trip, and no statement bypasses the guard, be it from a session,
from Core or from a raw cursor. A statement sent in an open transaction must come from the tenant
that opened it.

The message that ends a transaction also resets the database session. So nothing that a statement
left on the connection reaches its next user, even behind a pooler. The message that commits begins
with the audit record, if there is one: without the record there is no commit. Nor is there one if a
statement wrote an audited table and nothing was noted of it.
"""

import select
import time
from typing import Any
from uuid import UUID

from blinker import Signal
from flask import has_app_context
from psycopg2 import Error, errors
from psycopg2.extensions import (
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    connection,
)
from psycopg2.sql import Composable
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import DisconnectionError

from trially.database.deadline import request_deadline, statement_bound
from trially.database.placement import (
    Placement,
    ReplicaBehindError,
    ReplicaPlacement,
    StalePlacementError,
    TenantSuspendedError,
    WrongTenantError,
    current_placement,
)
from trially.database.quotas import QuotaExceededError
from trially.database.replicas import POSITIONS, record_commit
from trially.database.statements import note_statement, refuse_unnoted_changes
from trially.database.watching import (
    DeadlineExceededError,
    SilentServerError,
    WatchedConnection,
    WatchedCursor,
)
from trially.request_state import request_state

REFUSALS: dict[str, Exception] = {
    "TR001": StalePlacementError("The tenant's placement has changed. Try again."),
    "TR002": TenantSuspendedError("The tenant is suspended."),
}
"""The error for each SQLSTATE that the guard raises."""

READ_ONLY_TRANSACTION = "25006"

CLEANING = (
    "RESET SESSION AUTHORIZATION;RESET ALL;CLOSE ALL;UNLISTEN *;DEALLOCATE ALL;"
    "SELECT pg_advisory_unlock_all();DISCARD TEMP;DISCARD SEQUENCES"
)
"""The parts of DISCARD ALL, which PostgreSQL refuses in a message with other statements."""


statement_was_slow = Signal()
"""Sent with the text of a slow statement, with placeholders, and its `seconds`."""


class PlacedCursor(WatchedCursor):
    """A cursor whose first statement opens a transaction of the current placement."""

    connection: "PlacedConnection"

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        """Send a statement, after the opening if no transaction is open."""
        if isinstance(query, Composable):
            query = query.as_string(self.connection)
        note_statement(query)
        if _is_idle(self.connection):
            opening = self.connection.open_for(current_placement())
            query = opening.encode() + query if isinstance(query, bytes) else opening + query
        else:
            self.connection.check_tenant()
        try:
            super().execute(query, vars)
        except Error as error:
            raise _refusal(error) from None

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Send a statement once for each set of parameters."""
        self._open(query)
        try:
            super().executemany(query, vars_list)
        except Error as error:
            raise _refusal(error) from None

    def callproc(self, procname: Any, parameters: Any = None) -> Any:
        """Call a function."""
        self._open()
        return super().callproc(procname, parameters)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        """Send a COPY statement."""
        self._open(sql)
        try:
            super().copy_expert(sql, file, size)
        except Error as error:
            raise _refusal(error) from None

    def copy_from(self, *args: Any, **options: Any) -> None:
        """Copy a file into a table."""
        self._open(f"COPY {args[1] if len(args) > 1 else options['table']}")
        super().copy_from(*args, **options)

    def copy_to(self, *args: Any, **options: Any) -> None:
        """Copy a table into a file."""
        self._open(f"COPY {args[1] if len(args) > 1 else options['table']}")
        super().copy_to(*args, **options)

    def _open(self, statement: Any = "") -> None:
        if isinstance(statement, Composable):
            statement = statement.as_string(self.connection)
        note_statement(statement)
        if not _is_idle(self.connection):
            self.connection.check_tenant()
            return
        try:
            super().execute(self.connection.open_for(current_placement()))
        except Error as error:
            raise _refusal(error) from None


class PlacedConnection(WatchedConnection):
    """A connection in autocommit mode whose transactions belong to the current placement."""

    cursor_class = PlacedCursor

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.database = self.info.dbname
        self.tenant_id: UUID | None = None
        """The tenant that opened a transaction on it since the last reset."""
        self.followed: str | None = None
        """Name of its server, if that server has replicas."""

    def cursor(self, *args: Any, **options: Any) -> Any:
        """Create a cursor; raise `TypeError` for a cursor class that would bypass the guard."""
        factory = options.get("cursor_factory") or PlacedCursor
        if not issubclass(factory, PlacedCursor):
            raise TypeError("The cursor class must derive from PlacedCursor, which runs the guard.")
        return super().cursor(*args, **options)

    def open_for(self, placement: Placement) -> str:
        """Return the SQL that opens a placement's transaction, or raise `WrongTenantError`."""
        if self.database != placement.url.database:
            raise WrongTenantError("This connection leads to the database of another tenant.")
        self.tenant_id = placement.tenant_id
        self.followed = placement.server if placement.replicas else None
        self.deadline = request_deadline()
        request_state().has_begun = True
        return placement.opening + statement_bound()

    def check_tenant(self) -> None:
        """Raise `WrongTenantError` unless the current tenant opened this transaction."""
        if current_placement().tenant_id != self.tenant_id:
            raise WrongTenantError("This transaction belongs to another tenant.")

    def commit(self) -> None:
        """Commit; raise `InFailedSqlTransaction` if the server rolled back instead."""
        has_failed = self.get_transaction_status() == TRANSACTION_STATUS_INERROR
        if not has_failed and not _is_idle(self):
            refuse_unnoted_changes()
        state = request_state()
        commit = ("" if has_failed else state.audit_sql) + "COMMIT;"
        sends_record = bool(state.audit_sql) and not has_failed and not _is_idle(self)
        if self.followed is None or _is_idle(self):
            self._end(commit)
        else:
            requested_at = time.monotonic()
            [(inserted, flushed)] = self._end(commit, then=POSITIONS)
            record_commit(self.followed, requested_at, inserted, flushed)
        state.has_begun = False
        if has_failed:
            raise errors.InFailedSqlTransaction("The transaction had failed and was rolled back.")
        if sends_record:
            state.audit_sql, state.has_recorded = "", True

    def rollback(self) -> None:
        """Roll back the open transaction, if there is one."""
        if not self.closed and self.cut_by is None:
            self._end("ROLLBACK;")

    def _end(self, ending: str, then: str = "") -> list[tuple[Any, ...]]:
        """End the open transaction, reset the session, and return the rows of `then`."""
        if self.tenant_id is None:
            return []
        last = WatchedCursor(self)
        last.execute((CLEANING if _is_idle(self) else ending + CLEANING) + then)
        self.tenant_id = self.deadline = None
        if has_app_context():
            request_state().database_seconds += self.waited_seconds
        self.waited_seconds = 0.0
        return last.fetchall() if then else []


class PlacedDialect(PGDialect_psycopg2):
    """SQLAlchemy's psycopg2 dialect, for connections of tenants."""

    supports_statement_cache = True

    slow_seconds = float("inf")
    """Duration from which a statement is reported as slow, also if it fails."""

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Return whether an error means that the connection must be replaced.

        A read-only error does, too: after a failover the server may have become a replica.
        """
        if getattr(e, "pgcode", None) == READ_ONLY_TRANSACTION:
            return True
        if isinstance(e, DeadlineExceededError | SilentServerError):
            return True
        return bool(super().is_disconnect(e, connection, cursor))  # type: ignore[no-untyped-call]

    def do_execute(
        self,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any = None,  # noqa: ARG002
    ) -> None:
        """Send a statement, and report it if it was slow.

        SQLAlchemy's cursor events could do the same at a far higher cost.
        """
        started = time.perf_counter()
        try:
            cursor.execute(statement, parameters)
        finally:
            seconds = time.perf_counter() - started
            if seconds >= self.slow_seconds:
                statement_was_slow.send(statement, seconds=seconds)


def replace_if_lost(raw: WatchedConnection, _record: Any, _checked_out: Any) -> None:
    """Make the pool replace a connection that was lost while it was idle, or may have been.

    A connection may be dead if another one to the same server was found dead since it was opened.
    The server sends nothing to an idle connection except the message that closes it. So readable
    data means that it is closed, and polling the socket costs no round trip.
    """
    if raw.health is not None and raw.opened_at < raw.health.connections_failed_at:
        raise DisconnectionError("Other connections to this server are dead.")
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        raise DisconnectionError("The server has closed this connection.")


def _refusal(error: Error) -> Exception:
    """Return the exception for a refusal of the guard or of a quota, or else the error itself.

    A replica's guard may have an old copy of the placement. So every refusal by a replica becomes
    `ReplicaBehindError`, and the request is retried on the primary.
    """
    refusal = REFUSALS.get(error.pgcode or "")
    if refusal is None:
        return QuotaExceededError.of(error) or error
    if isinstance(current_placement(), ReplicaPlacement):
        return ReplicaBehindError("The replica refused the transaction.")
    return type(refusal)(*refusal.args)


def _is_idle(raw: connection) -> bool:
    return raw.get_transaction_status() == TRANSACTION_STATUS_IDLE
