"""The steps of a move, one atomic action at a time. The names are those of decision 0048."""

from move_locks import (
    Action,
    at_step,
    go_on,
    is_newest,
    read_row,
    take_row,
    take_tenant_lock,
    under_copy_lock,
)
from move_state import (
    CLOSED,
    ROW,
    STEPS,
    Catalog,
    Protocol,
    State,
    Violation,
    copy_lock,
    stopped,
    tenant_lock,
)


def _create_target(state: State, number: int, protocol: Protocol) -> State | None:
    target = state.movers[number].target
    return go_on(state.with_placement(target, epoch=CLOSED, is_suspended=False), number, protocol)


def _copy(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    rows = state.placements[mover.source].rows
    copied = state.with_placement(mover.target, rows=rows)
    began = mover._replace(position=len(rows), change=None, drains_to=None)
    return go_on(copied.with_mover(number, began), number, protocol)


def _lock(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    if ROW not in mover.holds and protocol.switch_locks_row:
        return take_row(state, number)
    if state.catalog.placement != mover.source:
        return state.with_mover(number, stopped(mover))
    after = take_tenant_lock(state, number)
    if after is None:
        return None
    if not protocol.switch_locks_row:
        after = after.with_mover(number, read_row(state, after.movers[number]))
    return go_on(after, number, protocol)


def _drain(state: State, number: int, protocol: Protocol) -> State | None:
    """Write the message; go on once it was read, and all before it was applied."""
    mover = state.movers[number]
    if mover.drains_to is None:
        end = len(state.placements[mover.source].rows)
        return state.with_mover(number, mover._replace(drains_to=end))
    is_applied = mover.change is None and mover.position >= mover.drains_to
    return go_on(state, number, protocol) if is_applied else None


def _fence(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    epoch = CLOSED if protocol.fence_is_marked else mover.epoch + 1
    return go_on(state.with_placement(mover.source, epoch=epoch), number, protocol)


def _open(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    is_suspended = mover.is_suspended and protocol.open_keeps_suspension
    epoch = mover.epoch + 1
    opened = state.with_placement(mover.target, epoch=epoch, is_suspended=is_suspended)
    return go_on(opened, number, protocol)


def _switch(state: State, number: int, protocol: Protocol) -> State | None:
    mover, catalog = state.movers[number], state.catalog
    if catalog.placement != mover.source or not is_newest(state, mover, protocol):
        return state.with_mover(number, stopped(mover))
    if state.placements[mover.target].rows != state.commits:
        raise Violation("the switch happens before the target has every commit")
    switched = state._replace(
        catalog=Catalog(mover.target, mover.epoch + 1, catalog.is_suspended),
        operation=state.operation._replace(is_switched=True),
        issued=state.issued | {(mover.target, mover.epoch + 1)},
        before_switch=None if protocol.switch_is_durable else (catalog, state.operation),
    )
    released = mover._replace(holds=mover.holds - {ROW})
    return go_on(switched.with_mover(number, released), number, protocol)


def _unlock(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    released = mover._replace(holds=mover.holds - {tenant_lock(mover.source)})
    return go_on(state.with_mover(number, released), number, protocol)


def _drop_publication(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    released = mover._replace(holds=mover.holds - {copy_lock(mover.target)})
    return go_on(state.with_mover(number, released), number, protocol)


def _remove_source(state: State, number: int, protocol: Protocol) -> State | None:
    return at_step(state, number, "remove_rows")


def _remove_rows(state: State, number: int, protocol: Protocol) -> State | None:
    source = state.movers[number].source
    if state.catalog.placement == source:
        raise Violation("rows of the active placement are removed")
    return at_step(state.with_placement(source, rows=()), number, "finish")


def _finish(state: State, number: int, protocol: Protocol) -> State | None:
    mover = state.movers[number]
    if not is_newest(state, mover, protocol):
        return state.with_mover(number, stopped(mover))
    done = state.operation._replace(state="done")
    return state.with_mover(number, stopped(mover), operation=done)


MOVING: dict[str, Action] = {
    "create_target": under_copy_lock(_create_target),
    "copy": _copy,
    "catch_up": go_on,
    "lock": _lock,
    "drain": _drain,
    "compare": go_on,
    "fence": _fence,
    "open": _open,
    "switch": _switch,
    "unlock": _unlock,
    "drop_publication": _drop_publication,
    "remove_source": under_copy_lock(_remove_source),
    "remove_rows": _remove_rows,
    "finish": _finish,
}
"""`compare` finds nothing here: the protocol must be right without it."""

assert set(STEPS) <= set(MOVING)
