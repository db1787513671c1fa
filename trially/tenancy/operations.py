"""Durable, resumable lifecycle work: each step may be done twice and is recorded when done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select, text, update
from sqlalchemy.orm import Session

from trially.tenancy.catalog import Operation, OperationState, control_engine


class OperationBusyError(RuntimeError):
    """Another process is working on this tenant."""


class OperationDoneError(RuntimeError):
    """The operation has come to its end, and there is nothing to take back."""


class NoOperationError(LookupError):
    """There is no such operation."""


@dataclass(frozen=True)
class Step:
    """A named piece of an operation, which may be done twice."""

    name: str
    do: Callable[[Session, Operation], None]


@dataclass(frozen=True)
class OperationKind:
    """The steps of one kind of operation, in order, and what takes all of them back."""

    name: str
    steps: Sequence[Step]
    undo: Callable[[Session, Operation], None]


KINDS: dict[str, OperationKind] = {}
"""The kinds of operation by name; the modules that define them register them here."""


def run_operation(operation_id: UUID) -> Operation:
    """Do the steps of an operation that are still to do.

    A step that fails has the whole operation taken back and the error raised again. A process
    that is killed leaves the operation `running` or `undoing`, and this function does the rest of
    it later, in the same direction.
    Raises `NoOperationError`, or `OperationBusyError` if another process is at it.
    """
    with control_engine().connect() as catalog:
        operation = _load(catalog, operation_id)
        kind = KINDS[operation.kind]
        with _exclusively(catalog, operation.tenant_id):
            operation = _load(catalog, operation_id)
            if operation.state == OperationState.UNDOING:
                _take_back(catalog, kind, operation)
                return _load(catalog, operation_id)
            if operation.state != OperationState.RUNNING:
                return operation
            for step in _remaining_steps(kind, operation):
                try:
                    _do_step(catalog, kind, step, operation)
                except Exception as error:
                    reason = f"{step.name}: {type(error).__name__}"
                    _write_state(catalog, operation_id, OperationState.UNDOING, reason)
                    _take_back(catalog, kind, operation)
                    raise
            return _load(catalog, operation_id)


def undo_operation(operation_id: UUID, reason: str) -> Operation:
    """Take back an operation that has not ended.

    Raises `OperationDoneError` if it has come to its end: what it made is in use.
    """
    with control_engine().connect() as catalog:
        operation = _load(catalog, operation_id)
        with _exclusively(catalog, operation.tenant_id):
            operation = _load(catalog, operation_id)
            if operation.state == OperationState.DONE:
                raise OperationDoneError(f"The operation {operation_id} is done.")
            if operation.state != OperationState.UNDONE:
                _write_state(catalog, operation_id, OperationState.UNDOING, reason)
                _take_back(catalog, KINDS[operation.kind], operation)
        return _load(catalog, operation_id)


def unfinished_operations() -> Sequence[Operation]:
    """Return the operations that are at work, or were when their process died."""
    with Session(control_engine(), expire_on_commit=False) as session:
        return session.scalars(
            select(Operation)
            .where(Operation.state.in_((OperationState.RUNNING, OperationState.UNDOING)))
            .order_by(Operation.created_at)
        ).all()


def all_operations(limit: int = 100) -> Sequence[Operation]:
    """Return the newest operations, newest first."""
    with Session(control_engine(), expire_on_commit=False) as session:
        return session.scalars(
            select(Operation).order_by(Operation.created_at.desc()).limit(limit)
        ).all()


def _do_step(catalog: Connection, kind: OperationKind, step: Step, operation: Operation) -> None:
    """Do a step and record it; the last one ends the operation.

    Only the end has to be on disk before the next thing happens: a crash of the server that loses
    the record of another step costs doing that step again.
    """
    recorded = {"step": step.name}
    with _transaction(catalog) as session:
        if step is kind.steps[-1]:
            recorded["state"] = OperationState.DONE
        else:
            session.execute(text("SET LOCAL synchronous_commit = off"))
        step.do(session, operation)
        session.execute(update(Operation).where(Operation.id == operation.id).values(recorded))


def _remaining_steps(kind: OperationKind, operation: Operation) -> Sequence[Step]:
    names = [step.name for step in kind.steps]
    done = names.index(operation.step) + 1 if operation.step in names else 0
    return kind.steps[done:]


def _take_back(catalog: Connection, kind: OperationKind, operation: Operation) -> None:
    """Undo an operation that is known to be undoing: once begun, there is no way forward."""
    with _transaction(catalog) as session:
        kind.undo(session, operation)
        session.execute(
            update(Operation)
            .where(Operation.id == operation.id)
            .values(state=OperationState.UNDONE)
        )


def _write_state(
    catalog: Connection, operation_id: UUID, state: OperationState, error: str | None = None
) -> None:
    with _transaction(catalog) as session:
        session.execute(
            update(Operation).where(Operation.id == operation_id).values(state=state, error=error)
        )


def _load(catalog: Connection, operation_id: UUID) -> Operation:
    with _transaction(catalog) as session:
        operation = session.get(Operation, operation_id)
        if operation is None:
            raise NoOperationError(f"There is no operation {operation_id}.")
        return operation


@contextmanager
def _transaction(catalog: Connection) -> Iterator[Session]:
    with Session(catalog, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def _exclusively(catalog: Connection, tenant_id: UUID) -> Iterator[None]:
    """Hold the tenant's advisory lock on the catalog; it goes when the process does."""
    key = {"key": str(tenant_id)}
    taken = catalog.scalar(
        text("SELECT pg_try_advisory_lock(uuid_hash_extended(CAST(:key AS uuid), 0))"), key
    )
    catalog.commit()
    if not taken:
        raise OperationBusyError("Another process is working on this tenant.")
    try:
        yield
    finally:
        catalog.rollback()
        catalog.execute(
            text("SELECT pg_advisory_unlock(uuid_hash_extended(CAST(:key AS uuid), 0))"), key
        )
        catalog.commit()
