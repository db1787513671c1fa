"""Durable, resumable lifecycle work: each step may be done twice and is recorded when done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnClause, Connection, Update, func, literal_column, select, text, update
from sqlalchemy.orm import Session, joinedload

from trially.errors import OperatorError
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import Operation, OperationState, control_engine

_LOCK_KEY: ColumnClause[int] = literal_column(tenant_lock_key("tenant_id"))
_UNLOCK = text(f"SELECT pg_advisory_unlock({tenant_lock_key(':tenant_id')})")


class OperationBusyError(OperatorError):
    """Another process is working on this tenant."""


class OperationDoneError(OperatorError):
    """The operation has come to its end, and there is nothing to take back."""


class NoOperationError(OperatorError):
    """There is no such operation."""


@dataclass(frozen=True)
class Step:
    """A named piece of an operation, which may be done twice."""

    name: str
    do: Callable[[Session, Operation], None]
    is_needed: Callable[[Operation], bool] = lambda _operation: True


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
    with control_engine().connect() as catalog, _exclusively(catalog, operation_id) as operation:
        kind = KINDS[operation.kind]
        if operation.state == OperationState.UNDOING:
            _take_back(catalog, kind, operation)
            return operation
        if operation.state != OperationState.RUNNING:
            return operation
        for step in _remaining_steps(kind, operation):
            try:
                _do_step(catalog, kind, step, operation)
            except Exception as error:
                reason = f"{step.name}: {type(error).__name__}"
                _record(catalog, operation, state=OperationState.UNDOING, error=reason)
                _take_back(catalog, kind, operation)
                raise
        return operation


def undo_operation(operation_id: UUID, reason: str) -> Operation:
    """Take back an operation that has not ended.

    Raises `OperationDoneError` if it has come to its end: what it made is in use.
    """
    with control_engine().connect() as catalog, _exclusively(catalog, operation_id) as operation:
        if operation.state == OperationState.DONE:
            raise OperationDoneError(f"The operation {operation_id} is done.")
        if operation.state != OperationState.UNDONE:
            _record(catalog, operation, state=OperationState.UNDOING, error=reason)
            _take_back(catalog, KINDS[operation.kind], operation)
        return operation


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
    is_last = step is kind.steps[-1]
    state = OperationState.DONE if is_last else OperationState.RUNNING
    with _transaction(catalog) as session:
        if not is_last:
            session.execute(text("SET LOCAL synchronous_commit = off"))
        step.do(session, operation)
        session.execute(_written(operation, step=step.name, state=state))
    operation.step, operation.state = step.name, state


def _remaining_steps(kind: OperationKind, operation: Operation) -> Sequence[Step]:
    names = [step.name for step in kind.steps]
    done = names.index(operation.step) + 1 if operation.step in names else 0
    return [step for step in kind.steps[done:] if step.is_needed(operation)]


def _take_back(catalog: Connection, kind: OperationKind, operation: Operation) -> None:
    """Undo an operation that is known to be undoing: once begun, there is no way forward."""
    with _transaction(catalog) as session:
        kind.undo(session, operation)
        session.execute(_written(operation, state=OperationState.UNDONE))
    operation.state = OperationState.UNDONE


def _record(
    catalog: Connection, operation: Operation, *, state: OperationState, error: str
) -> None:
    with _transaction(catalog) as session:
        session.execute(_written(operation, state=state, error=error))
    operation.state, operation.error = state, error


def _written(operation: Operation, **values: str) -> Update:
    return update(Operation).where(Operation.id == operation.id).values(values)


@contextmanager
def _transaction(catalog: Connection) -> Iterator[Session]:
    with Session(catalog, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def _exclusively(catalog: Connection, operation_id: UUID) -> Iterator[Operation]:
    """Hold the advisory lock of an operation's tenant on the catalog, and yield the operation.

    The lock goes when the process does.
    """
    with _transaction(catalog) as session:
        is_taken = session.scalar(
            select(func.pg_try_advisory_lock(_LOCK_KEY))
            .select_from(Operation)
            .where(Operation.id == operation_id)
        )
        operation = session.get(Operation, operation_id, options=[joinedload(Operation.placement)])
    if operation is None:
        raise NoOperationError(f"There is no operation {operation_id}.")
    if not is_taken:
        raise OperationBusyError("Another process is working on this tenant.")
    try:
        yield operation
    finally:
        catalog.rollback()
        catalog.execute(_UNLOCK, {"tenant_id": str(operation.tenant_id)})
        catalog.commit()
