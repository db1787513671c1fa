"""Moves between every pair of tiers, and between two servers, without a fault."""

from collections.abc import Iterator
from dataclasses import dataclass

from faults.moves.fault import FIRST, SECOND
from trially.tenancy.catalog_choices import Tier

POOLED, DEDICATED, SCHEMA = Tier.POOLED_ROWS, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA


@dataclass(frozen=True)
class Pair:
    """A move from one tier and server to another."""

    source: tuple[Tier, str]
    target: tuple[Tier, str]

    @property
    def name(self) -> str:
        """The tiers, and the server if that is what changes."""
        here, there = self.source, self.target
        to = there[1] if here[0] == there[0] else there[0].value
        return f"{here[0].value}_to_{to}"

    @property
    def what(self) -> str:
        """Where from and where to, for the command line."""
        return " to ".join(f"{tier.value} on {server}" for tier, server in self.sides)

    @property
    def sides(self) -> tuple[tuple[Tier, str], tuple[Tier, str]]:
        return self.source, self.target


@dataclass(frozen=True)
class PairOutcome:
    """What became of a move without a fault, and of the load. Times are in s."""

    pair: Pair
    acknowledged: int
    findings: dict[str, int]
    errors: dict[str, int]
    copied_rows: int
    changed_rows: int
    """Rows that changed during the move and were written again."""

    imports: int
    exports: int
    """Jobs that came to their end."""

    pause: float
    attempts: int
    """How often the switch was tried."""

    longest_wait: float
    p99_before: float
    """Of the tenant that stays, before the move."""

    p99_during: float
    complaints: tuple[str, ...]

    @property
    def is_held(self) -> bool:
        return not self.complaints


def _pairs() -> Iterator[Pair]:
    yield Pair((POOLED, FIRST), (SCHEMA, FIRST))
    yield Pair((POOLED, FIRST), (DEDICATED, SECOND))
    yield Pair((SCHEMA, FIRST), (DEDICATED, FIRST))
    yield Pair((SCHEMA, FIRST), (POOLED, SECOND))
    yield Pair((DEDICATED, SECOND), (POOLED, FIRST))
    yield Pair((DEDICATED, SECOND), (SCHEMA, SECOND))
    for tier in (POOLED, SCHEMA, DEDICATED):
        yield Pair((tier, FIRST), (tier, SECOND))


PAIRS = {pair.name: pair for pair in _pairs()}
