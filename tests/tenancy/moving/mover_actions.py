"""What a mover can do next: its next step, or what its applier does."""

from collections.abc import Iterator

from move_locks import written_by
from move_resuming import RESUMING
from move_state import (
    CATALOG,
    ROW,
    ROWS,
    SOURCE,
    TARGET,
    Mover,
    Protocol,
    State,
    connection_of,
    copy_lock,
    stopped,
)
from move_steps import MOVING


def mover_actions(state: State, number: int, protocol: Protocol) -> Iterator[tuple[str, State]]:
    """Yield what one mover can do next, and what its applier can."""
    mover = state.movers[number]
    if not mover.at:
        return
    yield from _apply(state, number)
    if any(each not in mover.connections for each in _needs(mover, protocol)):
        yield "finds a connection lost", state.with_mover(number, stopped(mover))
        return
    after = (MOVING | RESUMING)[mover.at](state, number, protocol)
    if after is not None:
        yield mover.at, after


def _needs(mover: Mover, protocol: Protocol) -> str:
    if mover.at in ASKING and copy_lock(written_by(mover)) in mover.holds:
        return NEEDS[mover.at] + CATALOG * protocol.asks_under_copy_lock
    if mover.at == "fence" and not protocol.fence_needs_lock:
        return ""
    if mover.at == "lock":
        return SOURCE if ROW in mover.holds or not protocol.switch_locks_row else ROWS
    return NEEDS[mover.at]


def _apply(state: State, number: int) -> Iterator[tuple[str, State]]:
    """Read the next change from the slot, or apply the one that was read."""
    mover = state.movers[number]
    rows = state.placements[mover.source].rows
    if mover.change is not None:
        if TARGET in mover.connections:
            applied = (*state.placements[mover.target].rows, mover.change)
            after = state.with_placement(mover.target, rows=applied)
            yield "applies", after.with_mover(number, mover._replace(change=None))
    elif mover.at in _READS and SOURCE in mover.connections and mover.position < len(rows):
        read = mover._replace(change=rows[mover.position], position=mover.position + 1)
        yield "reads a change", state.with_mover(number, read)


_READS = ("catch_up", "lock", "drain")
"""The steps during which the mover reads its slot."""


ASKING = ("create_target", "resume_target", "undo_target", "remove_source")
"""The steps that begin to write a placement's rows."""


NEEDS = {
    **dict.fromkeys(("begin", "finish"), CATALOG),
    **dict.fromkeys(("switch", "resume_row", "undo_row", "undo_catalog"), ROWS),
    **dict.fromkeys(("fence", "drain", "remove_source", "remove_rows"), SOURCE),
    **dict.fromkeys(("resume_source", "undo_source"), SOURCE),
    **dict.fromkeys(("create_target", "open", "resume_target", "undo_target"), TARGET),
    **dict.fromkeys(("copy", "compare"), SOURCE + TARGET),
    **dict.fromkeys(("catch_up", "unlock", "drop_publication"), ""),
}
"""The connections that a step uses. It fails if one of them is lost."""


def lose(mover: Mover, connection: str) -> Mover:
    """Return a mover that has lost a connection, and does not know it yet."""
    return mover._replace(
        connections=mover.connections.replace(connection, ""),
        holds=frozenset(lock for lock in mover.holds if connection_of(lock, mover) != connection),
    )
