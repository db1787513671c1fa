"""Bound the imports that run at the same time: of a tenant, and in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.errors import OperatorError
from trially.recruiting.imports.model import ImportJob
from trially.recruiting.sources.locking import lock_until_commit
from trially.state import app_state

LEASE_SECONDS = 60
"""How long an import keeps its slot after its last batch. Then its process is taken for dead."""

_counting = Lock()


class TooManyImportsError(OperatorError):
    """The tenant runs as many imports as it may."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"This tenant already runs as many imports as it may ({most}). Wait until one ends."
        )


class TooManyQueuedError(OperatorError):
    """The tenant has as many waiting imports as it may."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"This tenant has as many waiting imports as it may ({most}). Wait until one ends."
        )


class ProcessBusyError(Exception):
    """This process runs as many imports as it may."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"This server process already runs as many imports as it may ({most}). Send the request"
            " again later."
        )


def is_leased() -> ColumnElement[bool]:
    """Return the condition of imports that a process is running now."""
    return table_of(ImportJob).c.lease_until > func.clock_timestamp()


def claim_slot(most: int | None, import_id: UUID | None) -> None:
    """Raise `TooManyImportsError` if the tenant runs as many other imports as it may.

    `most` is None for a dry run, which claims no slot: it would hold the lock to its end.

    Until the current transaction ends, no other process of the tenant claims a slot. The caller
    stores a lease for the import in this transaction. A transaction that holds the lock of a source
    takes this lock second.
    """
    if most is None:
        return
    job = table_of(ImportJob)
    lock_until_commit(f"imports {current_placement().tenant_id}")
    others = true() if import_id is None else job.c.id != import_id
    counted = select(func.count()).where(of_current_tenant(ImportJob), is_leased(), others)
    if db.session.execute(counted).scalar_one() >= most:
        raise TooManyImportsError(most)


@contextmanager
def slot_of_process(most: int, most_of_tenant: int) -> Iterator[None]:
    """Count one upload of the current tenant in this process while the block runs.

    Raises `ProcessBusyError` if this process has `most` uploads, and `TooManyImportsError` if
    `most_of_tenant` of them belong to the tenant.
    """
    tenant_id, running = current_placement().tenant_id, app_state().running_imports
    with _counting:
        if running[tenant_id] >= most_of_tenant:
            raise TooManyImportsError(most_of_tenant)
        if running.total() >= most:
            raise ProcessBusyError(most)
        running[tenant_id] += 1
    try:
        yield
    finally:
        with _counting:
            running[tenant_id] -= 1
            if not running[tenant_id]:
                del running[tenant_id]
