"""How a mover takes locks, asks about its attempt, and goes on."""

from collections.abc import Callable

from move_state import ROW, Mover, Protocol, State, copy_lock, stopped, tenant_lock

Action = Callable[[State, int, Protocol], State | None]
"""Returns the state after an action, or None if it has to wait."""


def step_after(step: str, protocol: Protocol) -> str:
    return protocol.steps[protocol.steps.index(step) + 1]


def go_on(state: State, number: int, protocol: Protocol) -> State:
    return at_step(state, number, step_after(state.movers[number].at, protocol))


def at_step(state: State, number: int, at: str) -> State:
    return state.with_mover(number, state.movers[number]._replace(at=at))


def is_newest(state: State, mover: Mover, protocol: Protocol) -> bool:
    """Return what the catalog answers a mover that asks about its attempt."""
    return mover.attempt == state.operation.attempt or not protocol.has_attempts


def under_copy_lock(act: Action) -> Action:
    """Make an action that first takes the lock of those who write the placement's rows.

    The next action asks the catalog whether the mover's attempt is still the newest.
    """

    def take_or_act(state: State, number: int, protocol: Protocol) -> State | None:
        mover = state.movers[number]
        lock = copy_lock(written_by(mover))
        if lock in mover.holds or not protocol.has_copy_lock:
            if protocol.asks_under_copy_lock and not is_newest(state, mover, protocol):
                return state.with_mover(number, stopped(mover))
            return act(state, number, protocol)
        if state.is_held(lock):
            return None
        return state.with_mover(number, mover._replace(holds=mover.holds | {lock}))

    return take_or_act


def written_by(mover: Mover) -> int:
    """Return the placement whose rows a step writes."""
    return mover.source if mover.at == "remove_source" else mover.target


def take_tenant_lock(state: State, number: int) -> State | None:
    """Hold the source's lock, which the guard of each transaction takes shared."""
    mover = state.movers[number]
    lock = tenant_lock(mover.source)
    if state.is_held(lock) or state.is_entered(mover.source):
        return None
    return state.with_mover(number, mover._replace(holds=mover.holds | {lock}))


def take_row(state: State, number: int) -> State | None:
    """Lock the catalog's row of the tenant, and read it."""
    if state.is_held(ROW):
        return None
    mover = state.movers[number]
    return state.with_mover(number, read_row(state, mover._replace(holds=mover.holds | {ROW})))


def read_row(state: State, mover: Mover) -> Mover:
    """Return a mover that remembers what the catalog's row of the tenant says."""
    catalog = state.catalog
    return mover._replace(epoch=catalog.epoch, is_suspended=catalog.is_suspended)
