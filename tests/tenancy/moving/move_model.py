"""A model of the move: every interleaving of movers, workers, an operator and faults.

It searches breadth first, so the history of a violation is as short as can be.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from move_state import ALL_CONNECTIONS, Mover, Operator, Protocol, State, Violation
from mover_actions import mover_actions
from other_actors import faults, operator_actions, starts, worker_actions


class FoundViolation(AssertionError):  # noqa: N818
    """The protocol is wrong. The message has the shortest history that shows it."""


@dataclass
class Model:
    """A protocol, and the actors that it has to survive."""

    protocol: Protocol = field(default_factory=Protocol)
    start: State = field(default_factory=State)
    plans: tuple[str, ...] = ("resume", "undo")
    """What a second mover may do. It may start whenever the operation's lock is free."""

    refuses_nobody: bool = False
    """Whether a request that is refused is a violation: it is, if nothing goes wrong."""

    _ended_well: set[State] = field(default_factory=set)

    def explore(self) -> int:
        """Visit every reachable state, and return their number. Raises `FoundViolation`."""
        origin: dict[State, tuple[State, str] | None] = {self.start: None}
        waiting = deque([self.start])
        while waiting:
            state = waiting.popleft()
            try:
                self._check(state)
                for action, after in self._actions(state):
                    self._check_action(action)
                    if after not in origin:
                        origin[after] = (state, action)
                        waiting.append(after)
            except Violation as violation:
                raise FoundViolation(_tell(state, origin, violation)) from None
        return len(origin)

    def _actions(self, state: State) -> Iterator[tuple[str, State]]:
        for number in range(len(state.workers)):
            for action, after in worker_actions(state, number, self.protocol):
                yield f"worker {number} {action}", after
        yield from self._control_plane(state)
        yield from faults(state)
        yield from starts(state, self.plans)

    def _control_plane(self, state: State) -> Iterator[tuple[str, State]]:
        for number in range(len(state.movers)):
            for action, after in mover_actions(state, number, self.protocol):
                yield f"mover {number} {action}", after
        for action, after in operator_actions(state):
            yield f"operator {action}", after

    def _check_action(self, action: str) -> None:
        if self.refuses_nobody and action.endswith("gives up"):
            raise Violation("a request is refused")

    def _check(self, state: State) -> None:
        accepting = [placement for placement in (0, 1) if state.accepts(placement)]
        if len(accepting) > 1:
            raise Violation("both sides accept writes")
        for placement in accepting:
            if state.placements[placement].rows != state.commits:
                raise Violation("an acknowledged write is missing, or doubled, where writes go")
        if not any(mover.at for mover in state.movers) and state.operator.at not in _BUSY:
            self._check_that_it_ends_well(state)

    def _check_that_it_ends_well(self, state: State) -> None:
        """Check that every way to finish the operation ends with exactly one writable side."""
        rest = state._replace(workers=(), faults_left=0, starts_left=0, newest_epoch=0)
        if rest in self._ended_well:
            return
        self._ended_well.add(rest)
        if rest.operation.state in ("done", "undone"):
            _check_end(rest)
            return
        for plan in ("resume", "undo"):
            began = rest.with_mover(0, Mover(plan, "begin", connections=ALL_CONNECTIONS))
            end = self._run_alone(began)
            if plan == "resume" or end.operation.state == "undone":
                _check_end(end)

    def _run_alone(self, state: State) -> State:
        """Let a mover work to its end, with nobody to disturb it."""
        while state.movers[0].at:
            after = next((after for _, after in self._control_plane(state)), None)
            if after is None:
                raise Violation(f"the operation cannot go on: it waits at {state.movers[0].at}")
            state = after
        return state


_BUSY = ("locked", "told")


def _check_end(state: State) -> None:
    """Check an operation that is over, while nothing runs."""
    if state.operation.state not in ("done", "undone"):
        raise Violation("resume does not finish the operation")
    catalog = state.catalog
    guard = state.placements[catalog.placement]
    if state.operator.at in ("gone", "unreached"):
        return  # Half a suspension, whether there is a move or not: the command is repeated.
    if guard[:2] != (catalog.epoch, catalog.is_suspended):
        raise Violation("no side is writable: the catalog and the guard disagree")
    if guard.rows != state.commits:
        raise Violation("an acknowledged write is missing on the writable side")


def _tell(state: State, origin: dict[State, tuple[State, str] | None], violation: Violation) -> str:
    history: list[str] = []
    at = origin[state]
    while at is not None:
        before, action = at
        history.append(action)
        at = origin[before]
    told = "\n".join(f"  {action}" for action in reversed(history))
    return f"{violation}, after\n{told}\nin {state}"


SUSPENDING = Operator("idle")
