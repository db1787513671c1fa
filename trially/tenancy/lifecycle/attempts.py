"""Attempts to run an operation: one at a time, and only the newest may change anything."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, bindparam, select, text, update
from sqlalchemy.orm import Session

from trially.database.rows import table_of
from trially.errors import OperatorError
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_sessions import control_engine

_LOCK = text(f"SELECT pg_try_advisory_lock({tenant_lock_key(':tenant_id')})")
_OPERATION = table_of(Operation)
_SAVE = update(_OPERATION).where(
    _OPERATION.c.id == bindparam("operation_id"), _OPERATION.c.attempts == bindparam("attempt")
)
"""Sets the columns that the parameters name."""


class OperationBusyError(OperatorError):
    """Another process is running an operation of the same tenant."""


class SupersededError(OperationBusyError):
    """Another process has begun a newer attempt, so this one may change nothing more."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(
            f"Another process has taken over the operation {operation.id} of the tenant"
            f" {operation.tenant_slug!r}."
        )


@contextmanager
def exclusive_connection() -> Iterator[Connection]:
    """Connect to the catalog; release the advisory locks that the block takes.

    PostgreSQL releases them when the process dies.
    """
    with control_engine().connect() as catalog:
        try:
            yield catalog
        finally:
            catalog.rollback()
            catalog.execution_options(isolation_level="AUTOCOMMIT")
            catalog.exec_driver_sql("SELECT pg_advisory_unlock_all()")


@contextmanager
def transaction(catalog: Connection) -> Iterator[Session]:
    """Open a session on this connection that commits after the block."""
    with Session(catalog, expire_on_commit=False) as session, session.begin():
        yield session


def lock_tenant(session: Session, operation: Operation) -> None:
    """Lock the tenant of an operation on this connection, or raise `OperationBusyError`."""
    if not session.scalar(_LOCK, {"tenant_id": str(operation.tenant_id)}):
        raise busy(operation)


def busy(operation: Operation) -> OperationBusyError:
    """Return the error that another process holds the lock of the operation's tenant."""
    return OperationBusyError(
        f"Another process is running an operation of the tenant {operation.tenant_slug!r}, or"
        " migrates its tables. Try again later."
    )


def check_attempt(session: Session, operation: Operation) -> None:
    """Raise `SupersededError` unless this attempt is the newest, and lock the operation's row.

    A process may have lost its connection to the catalog, and so its lock, without noticing.
    """
    newest = session.scalar(
        select(Operation.attempts).where(Operation.id == operation.id).with_for_update()
    )
    if newest != operation.attempts:
        raise SupersededError(operation)


def save(catalog: Connection, operation: Operation, **values: str) -> None:
    """Write values of an operation, or raise `SupersededError`."""
    key = {"operation_id": operation.id, "attempt": operation.attempts}
    if catalog.execute(_SAVE, {**key, **values}).rowcount == 0:
        raise SupersededError(operation)
