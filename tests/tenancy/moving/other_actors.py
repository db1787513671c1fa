"""What workers, an operator and bad luck do, one atomic action at a time."""

from collections.abc import Iterator

from move_state import (
    ALL_CONNECTIONS,
    CATALOG,
    ROW,
    ROWS,
    Catalog,
    Mover,
    Operator,
    Protocol,
    State,
    Violation,
    Worker,
    stopped,
    tenant_lock,
)
from mover_actions import lose


def worker_actions(state: State, number: int, protocol: Protocol) -> Iterator[tuple[str, State]]:
    """Yield what a worker can do next: look up, enter a placement, write and commit."""
    worker = state.workers[number]
    if worker.at == "idle":
        fresh = (state.catalog.placement, state.catalog.epoch)
        if worker.known != fresh:
            yield "looks up", state.with_worker(number, worker._replace(known=fresh))
        if worker.known is not None:
            yield from _enter(state, number, protocol)
    elif worker.at == "read":
        yield from _lock_after_reading(state, number)
    elif worker.at == "locked":
        guard = state.placements[worker.known[0]]
        yield from _check(state, number, (guard.epoch, guard.is_suspended))
    elif worker.at == "entered":
        yield "commits", _commit(state, number)


def _enter(state: State, number: int, protocol: Protocol) -> Iterator[tuple[str, State]]:
    worker = state.workers[number]
    placement = worker.known[0]
    if not protocol.guard_locks_first:
        guard = state.placements[placement]
        seen = (guard.epoch, guard.is_suspended)
        yield "reads the guard", state.with_worker(number, worker._replace(at="read", seen=seen))
    elif not _is_locked(state, placement):
        yield "waits for the lock", state.with_worker(number, worker._replace(at="locked"))


def _lock_after_reading(state: State, number: int) -> Iterator[tuple[str, State]]:
    worker = state.workers[number]
    if not _is_locked(state, worker.known[0]):
        locked = state.with_worker(number, worker._replace(at="locked", seen=None))
        yield from _check(locked, number, worker.seen)


def _check(state: State, number: int, guard: tuple[int, bool]) -> Iterator[tuple[str, State]]:
    """Compare what the guard says with what the worker knows."""
    worker = state.workers[number]
    epoch, is_suspended = guard
    if is_suspended:
        yield "is refused", state.with_worker(number, Worker("ended", None))
    elif epoch == worker.known[1]:
        yield "enters", state.with_worker(number, worker._replace(at="entered"))
    elif worker.has_retried:
        yield "gives up", state.with_worker(number, Worker("ended", None))
    else:
        yield "is stale", state.with_worker(number, Worker("idle", None, has_retried=True))


def _commit(state: State, number: int) -> State:
    placement, epoch = state.workers[number].known
    guard = state.placements[placement]
    if guard.epoch != epoch or epoch < state.newest_epoch:
        raise Violation(f"a transaction commits under the old epoch {epoch}")
    if state.operator.at == "suspended":
        raise Violation("a transaction commits after the tenant was suspended")
    after = state.with_placement(placement, rows=(*guard.rows, number))
    return after.with_worker(
        number, Worker("ended", None), commits=(*state.commits, number), newest_epoch=epoch
    )


def _is_locked(state: State, placement: int) -> bool:
    return state.is_held(tenant_lock(placement))


def operator_actions(state: State) -> Iterator[tuple[str, State]]:
    """Yield what an operator does who suspends the tenant, as `lifecycle/status.py` does it."""
    operator, catalog = state.operator, state.catalog
    if operator.at == "idle" and not state.is_held(ROW):
        locked = Operator("locked", catalog.placement, catalog.epoch + 1)
        yield "locks the row", state._replace(operator=locked)
    elif operator.at == "locked":
        placement = operator.placement
        if not (_is_locked(state, placement) or state.is_entered(placement)):
            told = state.with_placement(placement, epoch=operator.epoch, is_suspended=True)
            yield "tells the guard", told._replace(operator=operator._replace(at="told"))
        if state.faults_left:
            yield "does not reach the guard", _suspend(state, "unreached")
    elif operator.at == "told":
        yield "suspends", _suspend(state, "suspended")


def _suspend(state: State, outcome: str) -> State:
    """Commit the suspension in the catalog, and end the operator's command."""
    operator = state.operator
    return state._replace(
        catalog=Catalog(operator.placement, operator.epoch, is_suspended=True),
        issued=state.issued | {(operator.placement, operator.epoch)},
        operator=Operator(outcome),
        faults_left=state.faults_left - (outcome == "unreached"),
    )


def faults(state: State) -> Iterator[tuple[str, State]]:
    """Yield what can go wrong: a process is killed, or a connection is lost unnoticed."""
    if not state.faults_left:
        return
    left = state.faults_left - 1
    for number, mover in enumerate(state.movers):
        if mover.at:
            killed = state.with_mover(number, stopped(mover), faults_left=left)
            yield f"mover {number} is killed", killed
            for connection in mover.connections:
                lost = state.with_mover(number, lose(mover, connection), faults_left=left)
                yield f"mover {number} loses {connection}", lost
    if state.operator.at in ("locked", "told"):
        yield "operator is killed", state._replace(operator=Operator("gone"), faults_left=left)
    if state.before_switch is not None:
        catalog, operation = state.before_switch
        lost = tuple(
            lose(lose(mover, CATALOG), ROWS) if mover.at else mover for mover in state.movers
        )
        yield (
            "catalog crashes",
            state._replace(
                catalog=catalog,
                operation=operation,
                movers=lost,
                before_switch=None,
                faults_left=left,
            ),
        )


def starts(state: State, plans: tuple[str, ...]) -> Iterator[tuple[str, State]]:
    """Yield the starts of another mover, also while the first one still believes to be alone."""
    if not state.starts_left or state.is_held("operation"):
        return
    free = next((n for n, mover in enumerate(state.movers) if not mover.at), None)
    if free is not None:
        for plan in plans:
            mover = Mover(plan, "begin", connections=ALL_CONNECTIONS)
            left = state.starts_left - 1
            yield f"{plan} starts", state.with_mover(free, mover, starts_left=left)
