"""Advise moves of tenants, and plan moves that even out servers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from trially.advice.checking import Chosen, choose_moves
from trially.advice.describing import describe_chosen, describe_comparison, describe_unplaced
from trially.advice.evening_out import Comparison, Measure, compare, left_out, propose_even
from trially.advice.fleet import Fleet
from trially.advice.outgrown import Unplaced, propose, unplaced
from trially.advice.reading import read_fleet
from trially.advice.rules import Thresholds
from trially.errors import OperatorError
from trially.tenancy.servers.access import NoServerError


class NothingToCompareError(OperatorError):
    """No region has two servers that could take tenants from each other."""


@dataclass(frozen=True)
class Advice:
    """Which tenants should move, and what no move can mend."""

    chosen: Chosen
    unplaced: Sequence[Unplaced]

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        others = [describe_unplaced(each) for each in self.unplaced]
        return {**describe_chosen(self.chosen), "unplaced": others}


@dataclass(frozen=True)
class EveningOut:
    """Moves in their order, and what each server has before and after all of them."""

    chosen: Chosen
    before: Sequence[Comparison]
    after: Sequence[Comparison]
    left_out: Sequence[str]
    """By what servers are not compared, as sentences."""

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        pairs = zip(self.before, self.after, strict=True)
        comparisons = [item for pair in pairs for item in describe_comparison(*pair)]
        return {
            **describe_chosen(self.chosen),
            "comparisons": comparisons,
            "not_compared": list(self.left_out),
        }


def advise(disks: Mapping[str, int], most: int, limits: Thresholds) -> Advice:
    """Return up to `most` moves that the rules ask for, the most urgent first.

    `disks` are the sizes of servers' disks in bytes. Raises `NoServerError`.
    """
    fleet = _read(disks, limits)
    chosen = choose_moves(fleet, partial(propose, limits=limits), most)
    return Advice(chosen, list(unplaced(chosen.fleet, chosen.refused_places, limits)))


def plan_evening_out(
    disks: Mapping[str, int],
    most: int,
    measures: Collection[Measure],
    limits: Thresholds,
) -> EveningOut:
    """Return up to `most` moves that even out the servers of each region, in their order.

    Raises `NoServerError`, or `NothingToCompareError` if no region has two servers.
    """
    fleet = _read(disks, limits)
    if not list(compare(fleet, limits, measures)):
        raise NothingToCompareError(
            "No region has two servers that answer and are not draining, so no moves even them"
            " out. `flask servers list` shows all servers."
        )
    chosen = choose_moves(fleet, partial(propose_even, limits=limits, measures=measures), most)
    return EveningOut(
        chosen,
        _compared(fleet, limits, measures),
        _compared(chosen.fleet, limits, measures),
        list(left_out(fleet, limits, measures)),
    )


def _compared(fleet: Fleet, limits: Thresholds, measures: Collection[Measure]) -> list[Comparison]:
    return [each for region in compare(fleet, limits, measures) for each in region]


def _read(disks: Mapping[str, int], limits: Thresholds) -> Fleet:
    fleet = read_fleet(disks, limits)
    for name in disks.keys() - fleet.by_name.keys():
        raise NoServerError(name)
    return fleet
