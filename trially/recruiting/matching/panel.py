"""The patients of a tenant on one day, and what leaves yield for those without a record."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trially.recruiting.criteria.days import NEVER, Moment
from trially.recruiting.criteria.evaluation.subjects import Coverage, Subject
from trially.recruiting.criteria.language.parts import Missing
from trially.recruiting.criteria.rows import UNDATED
from trially.recruiting.matching.bits import Flags
from trially.recruiting.matching.packed_rows import Rows
from trially.recruiting.matching.people import People

Ordinals = NDArray[Any]

NOT_COVERING = Coverage(UNDATED, NEVER)
"""What leaves read of the coverage of a patient who is not covered."""


@dataclass(frozen=True)
class Panel:
    """A day, and whose records cover it."""

    moment: Moment
    people: People

    is_covered: Flags
    """By ordinal: whether a record of any type is within the tenant's look-back."""

    read_homes: Callable[[], Rows]
    """Returns where patients live: `HOME` with ordinals below `size`. It is called once, if at
    all: most studies have no criterion about distance."""

    @cached_property
    def homes(self) -> Rows:
        """Where patients live, as far as it is known."""
        return self.read_homes()

    @property
    def size(self) -> int:
        """Ordinals are below it."""
        return self.people.size

    def subjects(self, ordinals: Collection[int]) -> Mapping[int, Subject]:
        """Return some patients. Those whose records are not current are left out.

        They serve all leaves that read no study. They are made once for leaves that ask for the
        same patients one after the other.
        """
        asked = frozenset(ordinals)
        if self._subjects.keys() != {asked}:
            self._subjects.clear()
            self._subjects[asked] = {
                ordinal: Subject(
                    person,
                    self.moment,
                    self.covering if self.is_covered[ordinal] else NOT_COVERING,
                )
                for ordinal, person in self.people.persons(asked).items()
            }
        return self._subjects[asked]

    @cached_property
    def covering(self) -> Coverage:
        """What leaves read of the coverage of a patient who is covered."""
        return Coverage(self.moment.today, NEVER)

    @cached_property
    def _subjects(self) -> dict[frozenset[int], Mapping[int, Subject]]:
        """The patients that were asked for last."""
        return {}

    def no_flags(self) -> Flags:
        """Return a flag for each ordinal, all false."""
        return np.zeros(self.people.size, np.bool_)

    def having(self, ordinals: Ordinals) -> Flags:
        """Return a flag for each ordinal, true for some."""
        flags = self.no_flags()
        flags[ordinals] = True
        return flags

    def absent(self, policy: Missing) -> Flags:
        """Return who does not meet a leaf for which none of their records counts."""
        if policy == Missing.COVERED:
            return self.is_covered
        return np.full(self.people.size, policy == Missing.NOT_MET)


@dataclass(frozen=True)
class Results:
    """Who meets a leaf and who does not, as flags by ordinal. Others are undecided."""

    met: Flags
    not_met: Flags
    conflict: Flags | None = None
    """Who is undecided because sources contradict each other."""


def distinct_days(rows: Rows, size: int) -> NDArray[np.int64]:
    """Return by ordinal on how many different days rows began. The rows are of known days.

    They must be in the order of frames: by ordinal, then by day.
    """
    if not len(rows):
        return np.zeros(size, np.int64)
    ordinals, days = rows["ordinal"], rows["day"]
    is_new = np.ones(len(rows), np.bool_)
    is_new[1:] = (ordinals[1:] != ordinals[:-1]) | (days[1:] != days[:-1])
    return np.bincount(ordinals[is_new], minlength=size)
