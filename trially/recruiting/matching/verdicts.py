"""Verdicts and attrition of a study, for all patients at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from trially.recruiting.criteria.evaluation.folding import Bits


@dataclass(frozen=True)
class Judged:
    """The results of one criterion, seen from the study."""

    passes: int
    """Who surely has what an inclusion asks, or not what an exclusion asks."""

    fails: int
    """Whom the criterion surely rules out."""

    @classmethod
    def of(cls, bits: Bits, *, is_exclusion: bool) -> "Judged":
        """Return the results of an inclusion or exclusion."""
        if is_exclusion:
            return cls(bits.not_met, bits.met)
        return cls(bits.met, bits.not_met)


@dataclass(frozen=True)
class Counts:
    """Numbers of patients."""

    eligible: int
    potential: int
    ineligible: int


@dataclass(frozen=True)
class Step:
    """What one criterion does to the numbers."""

    passes: int
    fails: int
    unknown: int
    remaining: Counts
    """After this criterion and those before it, in their order."""

    without: Counts
    """With all criteria but this one."""


@dataclass(frozen=True)
class Verdicts:
    """Who is eligible, who may be, and who is not, by the criteria that are switched on."""

    universe: int
    criteria: Sequence[Judged]
    soft: Collection[int] = field(default_factory=frozenset)
    """Numbers of criteria that rule out no one. Who fails one is potential."""

    off: Collection[int] = field(default_factory=frozenset)
    """Numbers of criteria that are switched off."""

    @cached_property
    def counted(self) -> list[int]:
        """Numbers of the criteria that decide."""
        return [number for number in range(len(self.criteria)) if number not in self.off]

    @cached_property
    def ineligible(self) -> int:
        """Whom at least one criterion rules out."""
        found = 0
        for number in self.counted:
            if number not in self.soft:
                found |= self.criteria[number].fails
        return found & self.universe

    @cached_property
    def eligible(self) -> int:
        """Who surely passes all criteria."""
        found = self.universe
        for number in self.counted:
            found &= self.criteria[number].passes
        return found

    @cached_property
    def potential(self) -> int:
        """Whom no criterion rules out, and at least one leaves open."""
        return self.universe & ~(self.eligible | self.ineligible)

    @cached_property
    def counts(self) -> Counts:
        """The numbers of all three."""
        return self._count(self.eligible, self.universe & ~self.ineligible)

    def attrition(self) -> list[Step]:
        """Return a step for each criterion, in their order.

        A criterion that is switched off changes no number of the others.
        """
        everyone = (self.universe, self.universe)
        left = [self._left_by(number) for number in range(len(self.criteria))]
        before = list(accumulate(left, _both, initial=everyone))
        after = list(accumulate(reversed(left), _both, initial=everyone))[::-1]
        return [
            Step(
                passes=(judged.passes & self.universe).bit_count(),
                fails=(judged.fails & self.universe).bit_count(),
                unknown=(self.universe & ~(judged.passes | judged.fails)).bit_count(),
                remaining=self._count(*before[number + 1]),
                without=self._count(*_both(before[number], after[number + 1])),
            )
            for number, judged in enumerate(self.criteria)
        ]

    def _left_by(self, number: int) -> tuple[int, int]:
        """Return who passes a criterion, and whom it does not rule out."""
        if number not in self._deciding:
            return self.universe, self.universe
        judged = self.criteria[number]
        fails = 0 if number in self.soft else judged.fails
        return judged.passes & self.universe, self.universe & ~fails

    @cached_property
    def _deciding(self) -> frozenset[int]:
        return frozenset(self.counted)

    def _count(self, eligible: int, not_ineligible: int) -> Counts:
        surely, perhaps = eligible.bit_count(), not_ineligible.bit_count()
        return Counts(surely, perhaps - surely, self.universe.bit_count() - perhaps)


def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] & other[0], one[1] & other[1]
