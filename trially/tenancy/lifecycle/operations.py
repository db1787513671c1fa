"""Durable lifecycle operations that resume after a crash.

Each completed step is recorded in the catalog. A step may run twice, so it must be idempotent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnClause, Connection, func, literal_column, select, text
from sqlalchemy.orm import Session, joinedload

from trially.errors import OperatorError
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_choices import OperationState
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.attempts import (
    SupersededError,
    busy,
    check_attempt,
    exclusive_connection,
    lock_tenant,
    save,
    transaction,
)

UNFINISHED = (OperationState.RUNNING, OperationState.UNDOING)

_LOCK_KEY: ColumnClause[int] = literal_column(tenant_lock_key("tenant_id"))
_DO_NOT_WAIT = text("SET LOCAL synchronous_commit = off")


class OperationDoneError(OperatorError):
    """The operation is done, so it cannot be undone."""


class NoOperationError(OperatorError):
    """The operation does not exist."""


@dataclass(frozen=True)
class Step:
    """A named, idempotent step of an operation.

    `work` runs before the step's transaction in the catalog, and `do` in it. Work that takes long
    would hold a transaction open for as long.

    A step that `joins_previous` has no `work`. It is done in the transaction of the step before it,
    and recorded with it. So if the process is killed in between, both run again.
    """

    name: str
    do: Callable[[Session, Operation], None] = lambda _session, _operation: None
    is_needed: Callable[[Operation], bool] = lambda _operation: True
    work: Callable[[Operation], None] = lambda _operation: None
    joins_previous: bool = False


@dataclass(frozen=True)
class OperationKind:
    """A kind of operation: its steps in order, and the function that undoes all of them.

    Once the step `final_from` is recorded, the operation can only be finished.
    """

    name: str
    steps: Sequence[Step]
    undo: Callable[[Session, Operation], None]
    final_from: str | None = None
    creates_tenant: bool = False
    """Whether undoing it removes its tenant."""

    def can_undo(self, operation: Operation) -> bool:
        """Return whether an unfinished operation can still be undone."""
        names = [step.name for step in self.steps]
        return (
            self.final_from is None
            or operation.step is None
            or names.index(operation.step) < names.index(self.final_from)
        )


KINDS: dict[str, OperationKind] = {}
"""The kinds of operation by name. Each is registered by the module that defines it."""


def run_operation(operation_id: UUID) -> Operation:
    """Run the remaining steps of an operation, and return it.

    If a step fails or Ctrl-C ends it, the whole operation is undone and the error is raised again.
    If it can only be finished, it stays `running` with the error. If the process is killed, the
    operation stays `running` or `undoing`, and the next call continues it in the same direction.
    Raises `NoOperationError`, or `OperationBusyError` if another process is running it.
    """
    with exclusive_connection() as catalog:
        operation = _take(catalog, operation_id)
        _run(catalog, operation)
        return operation


def run_new_operation(catalog: Connection, begin: Callable[[Session], Operation]) -> Operation:
    """Save the operation that `begin` returns, run it as `run_operation` does, and return it.

    It is locked on the `exclusive_connection` before it can be seen, so no other process takes it
    up meanwhile.
    """
    with transaction(catalog) as session:
        operation = begin(session)
        if operation.state in UNFINISHED:
            lock_tenant(session, operation)
    _run(catalog, operation)
    return operation


def undo_operation(operation_id: UUID, reason: str) -> Operation:
    """Undo an unfinished operation, and return it.

    Raises `OperationDoneError` if it is done, because its result is in use. Raises
    `NoOperationError`, or `OperationBusyError` if another process is running it.
    """
    with exclusive_connection() as catalog:
        operation = _take(catalog, operation_id)
        if operation.state == OperationState.DONE:
            raise OperationDoneError(
                f"The operation {operation_id} is done. Only unfinished operations can be undone."
            )
        if not KINDS[operation.kind].can_undo(operation):
            raise OperationDoneError(
                f"The operation {operation_id} has come too far to be undone. `flask operations"
                f" resume {operation_id}` finishes it."
            )
        if operation.state != OperationState.UNDONE:
            _record(catalog, operation, state=OperationState.UNDOING, error=reason)
            _undo(catalog, KINDS[operation.kind], operation)
        return operation


def unfinished_operations() -> Sequence[Operation]:
    """Return the operations that are running or undoing, oldest first.

    Their process may still be at work, or it may have died.
    """
    with Session(control_engine(), expire_on_commit=False) as session:
        return session.scalars(
            select(Operation).where(Operation.state.in_(UNFINISHED)).order_by(Operation.created_at)
        ).all()


def all_operations(limit: int = 100) -> Sequence[Operation]:
    """Return the newest `limit` operations, newest first."""
    with Session(control_engine(), expire_on_commit=False) as session:
        return session.scalars(
            select(Operation).order_by(Operation.created_at.desc()).limit(limit)
        ).all()


def _run(catalog: Connection, operation: Operation) -> None:
    kind = KINDS[operation.kind]
    if operation.state == OperationState.UNDOING:
        _undo(catalog, kind, operation)
    if operation.state != OperationState.RUNNING:
        return
    steps = _remaining_steps(kind, operation)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        try:
            _do_step(catalog, step, operation)
            if following is None or not following.joins_previous:
                _record_step(catalog, kind, step, operation)
        except SupersededError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            reason = f"{step.name}: {type(error).__name__}"
            catalog.rollback()
            _refresh(catalog, operation)
            if kind.can_undo(operation):
                _record(catalog, operation, state=OperationState.UNDOING, error=reason)
                _undo(catalog, kind, operation)
            else:
                _record(catalog, operation, state=OperationState.RUNNING, error=reason)
            raise


def _do_step(catalog: Connection, step: Step, operation: Operation) -> None:
    """Do a step in the open transaction of the step that it joins, or in a new one."""
    step.work(operation)
    if not catalog.in_transaction():
        catalog.begin()
    with Session(catalog, expire_on_commit=False) as session:
        step.do(session, operation)
        session.flush()


def _record_step(
    catalog: Connection, kind: OperationKind, step: Step, operation: Operation
) -> None:
    """Record a step, and commit what it did. The last step ends the operation.

    Only the last commit waits for the disk. If the server crashes and loses an earlier commit,
    that step runs again.
    """
    is_last = step is kind.steps[-1]
    state = OperationState.DONE if is_last else OperationState.RUNNING
    if not is_last:
        catalog.execute(_DO_NOT_WAIT)
    save(catalog, operation, step=step.name, state=state)
    catalog.commit()
    operation.step, operation.state = step.name, state


def _remaining_steps(kind: OperationKind, operation: Operation) -> Sequence[Step]:
    names = [step.name for step in kind.steps]
    completed = names.index(operation.step) + 1 if operation.step in names else 0
    return [step for step in kind.steps[completed:] if step.is_needed(operation)]


def _undo(catalog: Connection, kind: OperationKind, operation: Operation) -> None:
    """Undo an operation whose state is `undoing`. It can no longer be finished."""
    with transaction(catalog) as session:
        check_attempt(session, operation)
        kind.undo(session, operation)
        save(session.connection(), operation, state=OperationState.UNDONE)
    operation.state = OperationState.UNDONE


def _refresh(catalog: Connection, operation: Operation) -> None:
    """Read the recorded step again: a step may record itself before it ends."""
    with transaction(catalog) as session:
        operation.step = session.scalar(select(Operation.step).where(Operation.id == operation.id))


def _record(
    catalog: Connection, operation: Operation, *, state: OperationState, error: str
) -> None:
    with transaction(catalog) as session:
        save(session.connection(), operation, state=state, error=error)
    operation.state, operation.error = state, error


def _begin_attempt(session: Session, operation: Operation) -> None:
    """Count an attempt. Only a kind that cannot always be undone needs the disk to know it."""
    if KINDS[operation.kind].final_from is None:
        session.execute(_DO_NOT_WAIT)
    operation.attempts += 1
    session.flush()
    session.refresh(operation, ["updated_at"])  # which the database has set


def _take(catalog: Connection, operation_id: UUID) -> Operation:
    """Lock the tenant of an operation, begin an attempt, and return the operation."""
    with transaction(catalog) as session:
        is_locked = session.scalar(
            select(func.pg_try_advisory_lock(_LOCK_KEY))
            .select_from(Operation)
            .where(Operation.id == operation_id)
        )
        operation = session.get(Operation, operation_id, options=[joinedload(Operation.placement)])
        if operation is not None and is_locked and operation.state in UNFINISHED:
            _begin_attempt(session, operation)
    if operation is None:
        raise NoOperationError(
            f"The operation {operation_id} does not exist. `flask operations list` shows them."
        )
    if not is_locked:
        raise busy(operation)
    return operation
