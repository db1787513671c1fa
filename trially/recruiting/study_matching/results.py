"""The results of a study for all patients: by criterion as sets, and by patient as rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trially.recruiting.criteria.evaluation.folding import Bits
from trially.recruiting.criteria.evaluation.verdicts import Rule, fold_rules
from trially.recruiting.criteria.language.criteria import Side
from trially.recruiting.matching.bits import unpack
from trially.recruiting.matching.packed_rows import row_type
from trially.recruiting.matching.verdicts import Judged, Verdicts
from trially.recruiting.study_matching.ranks import rank_of

NEAR_MISS = 2
"""Patients whom more criteria rule out have no match."""

MATCH = row_type(
    {
        "ordinal": "i4",
        "verdict": "i2",
        "met": "i8",
        "not_met": "i8",
        "unknowns": "i2",
        "rank": "i8",
        "score": "i2",
    }
)
"""A match. `verdict` is the number of the verdict in `VERDICTS`."""

Rows = NDArray[Any]


@dataclass(frozen=True)
class StudyResults:
    """What the criteria of a study say of the patients of a universe."""

    rules: Sequence[Rule]
    found: Sequence[Bits]
    """By criterion."""

    universe: int
    size: int
    """Ordinals are below it."""

    @classmethod
    def of(
        cls, rules: Sequence[Rule], results: Sequence[Bits], universe: int, size: int
    ) -> "StudyResults":
        """Return the results that follow from those of the leaves."""
        return cls(rules, fold_rules(rules, results, universe), universe, size)

    def within(self, universe: int) -> "StudyResults":
        """Return the results of some patients alone."""
        found = [Bits(*(members & universe for members in bits)) for bits in self.found]
        return StudyResults(self.rules, found, self.universe & universe, self.size)

    def verdicts(self, off: Collection[int] = ()) -> Verdicts:
        """Return the verdicts if some criteria are switched off."""
        return Verdicts(
            self.universe,
            [
                Judged.of(bits, is_exclusion=rule.criterion.kind == Side.EXCLUSION)
                for rule, bits in zip(self.rules, self.found, strict=True)
            ],
            soft=frozenset(
                number for number, rule in enumerate(self.rules) if not rule.criterion.hard
            ),
            off=frozenset(off),
        )

    @cached_property
    def matches(self) -> Rows:
        """The matches of all patients whom at most a few criteria rule out, by ordinal."""
        verdicts = self.verdicts()
        columns = _Columns(self.size)
        for number, (rule, bits, judged) in enumerate(
            zip(self.rules, self.found, verdicts.criteria, strict=True)
        ):
            columns.add(number, rule, bits, judged, self.universe)
        eligible, ineligible = (
            unpack(members, self.size) for members in (verdicts.eligible, verdicts.ineligible)
        )
        verdict = np.where(eligible, 0, np.where(ineligible, 2, 1))
        kept = unpack(self.universe, self.size) & (columns.fails <= NEAR_MISS)
        return columns.rows(verdict, np.flatnonzero(kept))


class _Columns:
    """Collects what matches say, criterion by criterion, for all ordinals at once."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.met = np.zeros(size, np.int64)
        self.not_met = np.zeros(size, np.int64)
        self.unknowns = np.zeros(size, np.int16)
        self.conflicts = np.zeros(size, np.int16)
        self.people = np.zeros(size, np.int16)
        self.fails = np.zeros(size, np.int16)
        self.weight = np.zeros(size, np.int32)
        self.whole_weight = 0

    def add(self, number: int, rule: Rule, bits: Bits, judged: Judged, universe: int) -> None:
        """Add a criterion."""
        met, not_met = unpack(bits.met, self.size), unpack(bits.not_met, self.size)
        unknown = unpack(universe & ~(bits.met | bits.not_met), self.size)
        self.met |= met.astype(np.int64) << number
        self.not_met |= not_met.astype(np.int64) << number
        self.unknowns += unknown
        conflict = unpack(bits.conflict, self.size)
        for_people = unknown if rule.is_for_people else unpack(bits.unsupported, self.size)
        self.conflicts += conflict
        self.people += for_people & ~conflict
        if rule.criterion.hard:
            self.fails += unpack(judged.fails & universe, self.size)
        if rule.criterion.kind == Side.INCLUSION:
            self.weight += met * np.int32(rule.criterion.weight)
            self.whole_weight += rule.criterion.weight

    def rows(self, verdict: NDArray[Any], ordinals: NDArray[Any]) -> Rows:
        """Return the matches of some patients."""
        rows = np.empty(len(ordinals), MATCH)
        score = 100 * self.weight // self.whole_weight if self.whole_weight else 100 + 0 * verdict
        rank = rank_of(
            verdict.astype(np.int64),
            unknowns=self.unknowns.astype(np.int64),
            people=self.people.astype(np.int64),
            conflicts=self.conflicts.astype(np.int64),
            score=score,
        )
        rows["ordinal"] = ordinals
        for name, column in (
            *(("verdict", verdict), ("met", self.met), ("not_met", self.not_met)),
            *(("unknowns", self.unknowns), ("rank", rank), ("score", score)),
        ):
            rows[name] = column[ordinals]
        return rows
