"""How a mover begins, resumes an operation, or undoes it."""

from move_locks import (
    Action,
    at_step,
    is_newest,
    step_after,
    take_row,
    take_tenant_lock,
    under_copy_lock,
)
from move_state import (
    CLOSED,
    OPERATION,
    ROW,
    Mover,
    Operation,
    Protocol,
    State,
    stopped,
    tenant_lock,
)


def _begin(state: State, number: int, protocol: Protocol) -> State | None:
    """Take the operation's lock, begin an attempt, and read where the operation is."""
    mover = state.movers[number]
    if state.is_held(OPERATION):
        return None
    operation = state.operation._replace(attempt=state.operation.attempt + 1)
    at = _first_step(mover, operation, protocol)
    if at is None:
        return state.with_mover(number, stopped(mover))
    if mover.plan == "back":
        operation = Operation(source=1, attempt=operation.attempt)
    elif at == "undo_target":
        operation = operation._replace(state="undoing")
    began = mover._replace(
        at=at,
        source=operation.source,
        attempt=operation.attempt,
        holds=mover.holds | {OPERATION},
    )
    return state.with_mover(number, began, operation=operation)


def _first_step(mover: Mover, operation: Operation, protocol: Protocol) -> str | None:
    """Return where a mover begins, or None if there is nothing to do for it."""
    if mover.plan == "back":
        return "create_target" if operation.is_switched and operation.source == 0 else None
    if operation.state in ("done", "undone"):
        return None
    if mover.plan == "undo":
        may_undo = not operation.is_switched or protocol.undo_trusts_no_record
        return "undo_target" if may_undo else None
    if operation.state == "undoing":
        return "undo_target"
    if operation.is_switched:
        return step_after("switch", protocol)
    return "create_target" if mover.plan == "move" else "resume_target"


def _resume_target(state: State, number: int, protocol: Protocol) -> State | None:
    return at_step(state, number, "resume_row")


def _resume_row(state: State, number: int, protocol: Protocol) -> State | None:
    after = take_row(state, number)
    return after and at_step(after, number, "resume_source")


def _resume_source(state: State, number: int, protocol: Protocol) -> State | None:
    """Under both locks, see whether the source is fenced: then go on, else begin with `copy`."""
    after = take_tenant_lock(state, number)
    if after is None:
        return None
    mover, guard = after.movers[number], state.placements[state.movers[number].source]
    fence = CLOSED if protocol.fence_is_marked else mover.epoch + 1
    if guard.epoch == fence:
        return at_step(after, number, step_after("fence", protocol))
    released = mover.holds - {ROW, tenant_lock(mover.source)}
    return after.with_mover(number, mover._replace(holds=released, at="create_target"))


def _undo_target(state: State, number: int, protocol: Protocol) -> State | None:
    target = state.movers[number].target
    closed = state.with_placement(target, epoch=CLOSED, is_suspended=False, rows=())
    if not protocol.undo_locks_source and state.placements[1 - target].epoch != CLOSED:
        undone = closed.operation._replace(state="undone")
        return closed.with_mover(number, stopped(closed.movers[number]), operation=undone)
    return at_step(closed, number, "undo_row")


def _undo_row(state: State, number: int, protocol: Protocol) -> State | None:
    after = take_row(state, number)
    return after and at_step(after, number, "undo_source")


def _undo_source(state: State, number: int, protocol: Protocol) -> State | None:
    """Make the source's guard and the catalog agree, on a new epoch if they do not."""
    after = take_tenant_lock(state, number)
    if after is None:
        return None
    mover, guard = after.movers[number], state.placements[state.movers[number].source]
    epoch = mover.epoch
    if guard.epoch != CLOSED and protocol.undo_reopens_only_a_fence:
        return at_step(after, number, "undo_catalog")
    if guard.epoch != epoch and not protocol.undo_reopens_at_old_epoch:
        epoch = max(guard.epoch, epoch + 1) + 1
    reopened = after.with_placement(mover.source, epoch=epoch, is_suspended=mover.is_suspended)
    return reopened.with_mover(number, mover._replace(epoch=epoch, at="undo_catalog"))


def _undo_catalog(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    if not is_newest(state, mover, protocol):
        return state.with_mover(number, stopped(mover))
    return state.with_mover(
        number,
        stopped(mover),
        catalog=state.catalog._replace(placement=mover.source, epoch=mover.epoch),
        operation=state.operation._replace(state="undone"),
        issued=state.issued | {(mover.source, mover.epoch)},
    )


RESUMING: dict[str, Action] = {
    "begin": _begin,
    "resume_target": under_copy_lock(_resume_target),
    "resume_row": _resume_row,
    "resume_source": _resume_source,
    "undo_target": under_copy_lock(_undo_target),
    "undo_row": _undo_row,
    "undo_source": _undo_source,
    "undo_catalog": _undo_catalog,
}
