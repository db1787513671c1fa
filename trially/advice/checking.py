"""Choose moves one after the other. Each is checked as `flask tenants move` checks it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg2

from trially.advice.candidates import Candidate, Place, Propose
from trially.advice.fleet import Fleet
from trially.advice.rules import EXPECTED_OVERHEAD_SECONDS, SECONDS_PER_COPY_SECOND
from trially.errors import OperatorError
from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.moving.estimating import Estimate
from trially.tenancy.lifecycle.moving.moves import MoveOptions, blockers_of, check_move
from trially.tenancy.schema.failures import describe_failure

REFUSALS_PER_MOVE = 3
"""So many checks may be refused for each move that is asked for. Each may take a second."""


@dataclass(frozen=True)
class Checked:
    """What the check of a move says."""

    blockers: Sequence[Blocker]
    estimated: Estimate | None = None


@dataclass(frozen=True)
class Advised:
    """A move that nothing stands against, with the fleet before it and after it."""

    candidate: Candidate
    estimated: Estimate
    before: Fleet
    after: Fleet

    @property
    def seconds(self) -> float:
        """How long the move takes in all, estimated from measured moves."""
        return EXPECTED_OVERHEAD_SECONDS + SECONDS_PER_COPY_SECOND * self.estimated.copy_seconds


@dataclass(frozen=True)
class Refused:
    """A move that a rule asks for, and what stands against it."""

    candidate: Candidate
    blockers: Sequence[Blocker]


@dataclass
class Chosen:
    """Moves in their order."""

    fleet: Fleet
    """The fleet after all moves."""

    advised: list[Advised] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    is_cut: bool = False
    """Whether there may be more moves than were asked for."""

    @property
    def refused_places(self) -> frozenset[Place]:
        """The moves that are not proposed again."""
        return frozenset(each.candidate.place for each in self.refused)


def check(candidate: Candidate) -> Checked:
    """Check a move as `flask tenants move` does before it begins. Its rows are counted."""
    try:
        checked = check_move(str(candidate.tenant.id), candidate.tier, candidate.server)
    except (psycopg2.Error, OperatorError) as error:
        what = f"The move could not be checked: {describe_failure(error)}."
        return Checked([Blocker("unchecked", what, "Run the command again.")])
    return Checked(blockers_of(checked, MoveOptions()), checked.estimated)


def choose_moves(
    fleet: Fleet, propose: Propose, most: int, check: Callable[[Candidate], Checked] = check
) -> Chosen:
    """Return up to `most` moves that `propose` finds and that nothing stands against.

    Each is proposed for the fleet as it is after those before it.
    """
    chosen = Chosen(fleet)
    while (candidate := propose(chosen.fleet, chosen.refused_places)) is not None:
        if len(chosen.advised) == most or len(chosen.refused) >= most * REFUSALS_PER_MOVE:
            chosen.is_cut = True
            break
        checked = check(candidate)
        if checked.blockers or checked.estimated is None:
            chosen.refused.append(Refused(candidate, checked.blockers))
            continue
        before = chosen.fleet
        chosen.fleet = before.after(candidate.tenant, candidate.tier, candidate.server)
        chosen.advised.append(Advised(candidate, checked.estimated, before, chosen.fleet))
    return chosen
