"""The state of the model of a move: what is durable, who works, and which locks are held.

A placement is 0, where the tenant lives at first, or 1, where it moves to. Rows are a history: the
writes in the order in which they were committed. So a lost, doubled or reordered write shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

STEPS = (
    *("create_target", "copy", "catch_up", "lock", "drain", "compare"),
    *("fence", "open", "switch", "unlock", "drop_publication", "remove_source"),
)
"""The steps of a move, as decision 0048 names them."""

CATALOG, ROWS, SOURCE, TARGET = "c", "r", "s", "t"
"""The connections of a mover. PostgreSQL releases what a session holds when its connection ends.

One session on the catalog holds the operation's lock. A second one holds the tenant's row, because
its transaction lasts from `lock` to `switch`.
"""

ALL_CONNECTIONS = CATALOG + ROWS + SOURCE + TARGET

OPERATION, ROW = "operation", "row"
"""Locks on the catalog: the advisory lock of the operation, and the tenant's row."""


CLOSED = 0
"""The epoch of a guard that refuses every request."""


class Violation(Exception):  # noqa: N818
    """An invariant does not hold."""


@dataclass(frozen=True)
class Protocol:
    """The protocol of a move. Each default is right, and each other value is a known mistake."""

    steps: Sequence[str] = STEPS
    guard_locks_first: bool = True
    """The guard takes the tenant's lock before it reads the epoch."""

    fence_needs_lock: bool = True
    """The session that holds the source's lock writes the fence."""

    fence_is_marked: bool = True
    """The fence is an epoch that nothing else writes there: 0, not the next one."""

    has_copy_lock: bool = True
    """Every session that writes a placement's rows for a move holds that placement's copy lock."""

    asks_under_copy_lock: bool = True
    """With that lock, it asks the catalog whether its attempt is still the newest."""

    undo_locks_source: bool = True
    """An undo decides what to do when it holds the source's lock."""

    undo_reopens_at_old_epoch: bool = False
    undo_reopens_only_a_fence: bool = False
    """An undo leaves a guard that is not fenced, also if the catalog has another epoch."""

    undo_trusts_no_record: bool = False
    """An undo does not read in the catalog whether the switch happened."""

    switch_is_durable: bool = True
    """The commit of the switch waits for the disk."""

    switch_locks_row: bool = True
    """From `lock` to `switch` the catalog's row of the tenant is locked."""

    has_attempts: bool = True
    """Each mover begins a new attempt in the catalog, and no earlier one can change it later."""

    open_keeps_suspension: bool = True


class Catalog(NamedTuple):
    placement: int = 0
    epoch: int = 1
    is_suspended: bool = False


class Operation(NamedTuple):
    """The record of the move in the catalog."""

    state: str = "running"
    is_switched: bool = False
    source: int = 0
    attempt: int = 0


class Placement(NamedTuple):
    """A database of the tenant: what its guard says, and its rows."""

    epoch: int
    is_suspended: bool = False
    rows: tuple[int, ...] = ()


class Worker(NamedTuple):
    """A worker that makes one write; it has looked up a placement and epoch some time ago."""

    at: str = "idle"
    known: tuple[int, int] | None = (0, 1)
    has_retried: bool = False
    seen: tuple[int, bool] | None = None
    """What it read from the guard before it had the lock, where that is the mistake."""


class Mover(NamedTuple):
    """A process that moves, resumes, undoes or moves back. Its applier is a thread of it."""

    plan: str = ""
    at: str = ""
    source: int = 0
    attempt: int = 0
    connections: str = ""
    holds: frozenset[str] = frozenset()
    epoch: int = 0
    """The catalog's epoch, when the mover has locked its row; the next one is the target's."""

    is_suspended: bool = False
    position: int = 0
    """The number of commits that its slot has read."""

    change: int | None = None
    """A change that it has read at the source and not applied yet."""

    drains_to: int | None = None
    """The position of its drain message."""

    @property
    def target(self) -> int:
        return 1 - self.source


class Operator(NamedTuple):
    """An operator who suspends the tenant."""

    at: str = "absent"
    placement: int = 0
    epoch: int = 0


class State(NamedTuple):
    catalog: Catalog = Catalog()
    operation: Operation = Operation()
    placements: tuple[Placement, Placement] = (Placement(1), Placement(CLOSED))
    workers: tuple[Worker, ...] = (Worker(), Worker())
    movers: tuple[Mover, ...] = (Mover("move", "begin", connections=ALL_CONNECTIONS), Mover())
    operator: Operator = Operator()
    commits: tuple[int, ...] = ()
    """All writes, in the order in which they were committed and acknowledged."""

    newest_epoch: int = 0
    """The largest epoch under which a write was committed."""

    issued: frozenset[tuple[int, int]] = frozenset({(0, 1)})
    """Each placement and epoch that workers may have looked up."""

    faults_left: int = 1
    starts_left: int = 1
    before_switch: tuple[Catalog, Operation] | None = None
    """What a crash of the catalog brings back, as long as the switch is not on its disk."""

    def accepts(self, placement: int) -> bool:
        """Return whether a worker can be let in, with something that it could look up."""
        guard = self.placements[placement]
        return not guard.is_suspended and (placement, guard.epoch) in self.issued

    def is_held(self, lock: str) -> bool:
        """Return whether a mover, or the operator, holds a lock."""
        if lock == ROW and self.operator.at in ("locked", "told"):
            return True
        return any(lock in mover.holds for mover in self.movers)

    def is_entered(self, placement: int) -> bool:
        """Return whether a worker holds the lock of a placement shared."""
        return any(
            worker.at in ("locked", "entered") and worker.known and worker.known[0] == placement
            for worker in self.workers
        )

    def with_mover(self, number: int, mover: Mover, **changes: Any) -> "State":
        movers = tuple(mover if n == number else each for n, each in enumerate(self.movers))
        return self._replace(movers=movers, **changes)

    def with_worker(self, number: int, worker: Worker, **changes: Any) -> "State":
        workers = tuple(worker if n == number else each for n, each in enumerate(self.workers))
        return self._replace(workers=workers, **changes)

    def with_placement(self, number: int, **changes: Any) -> "State":
        placements = tuple(
            each._replace(**changes) if n == number else each
            for n, each in enumerate(self.placements)
        )
        return self._replace(placements=placements)


def tenant_lock(placement: int) -> str:
    """The advisory lock that the guard takes shared."""
    return f"tenant {placement}"


def copy_lock(placement: int) -> str:
    """The lock of whoever writes rows of a placement for a move."""
    return f"copy {placement}"


def connection_of(lock: str, mover: Mover) -> str:
    """Return the connection whose session holds a lock."""
    if lock in (OPERATION, ROW):
        return CATALOG if lock == OPERATION else ROWS
    return TARGET if lock == copy_lock(mover.target) else SOURCE


def stopped(mover: Mover) -> Mover:
    """Return a mover whose process has ended, with all that it held."""
    return Mover()
