"""Collect the judgements of patients who are judged one by one, as sets of bits."""

from collections.abc import Iterable, Sequence

import numpy as np

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.folding import BITS_OF, Bits
from trially.recruiting.criteria.evaluation.persons import has_died
from trially.recruiting.criteria.judgements import Judgement, Outcome
from trially.recruiting.study_matching.compiling import CompiledStudies
from trially.recruiting.study_matching.results import StudyResults
from trially.recruiting.study_matching.studies import MatchedStudy

_NUMBER_OF = {outcome: number for number, outcome in enumerate(Outcome)}
_IS_IN = np.array([BITS_OF[outcome] for outcome in Outcome], np.bool_)
"""By the number of an outcome, and by the field of `Bits`: whether the patient is in the set."""


class Collected:
    """The results of leaves of several studies for some patients, who have places from 0 on.

    Leaves that depend on the study have a result for each study. All others have one.
    """

    def __init__(
        self,
        compiled: CompiledStudies,
        studies: Sequence[MatchedStudy],
        moment: Moment,
        size: int,
    ) -> None:
        self.engine, self.moment, self.size = compiled.engine, moment.without_outlook(), size
        self._rules = compiled.rules
        self._results = _Results(size, len(self.engine.leaves))
        self._of_study = {
            study.version_id: _Results(size, len(self.engine.of_study))
            for study in studies
            if self.engine.of_study
        }
        self._contexts = {study.version_id: study.context for study in studies}
        self._current = self._alive = 0

    def add(self, place: int, chart: Chart) -> None:
        """Judge a patient."""
        subject = self.engine.subject(chart, self.moment)
        judgements = self.engine.judge_all(chart, subject)
        self._results.add(place, judgements)
        for version_id, results in self._of_study.items():
            for_study = subject.for_study(self._contexts[version_id])
            found = self.engine.judge_for_study(judgements, chart, for_study)
            results.add(place, (found[index] for index in self.engine.of_study))
        if chart.person.record_status == "current":
            self._current |= 1 << place
            self._alive |= 1 << place if has_died(subject)[0] is False else 0

    def results(self, study: MatchedStudy) -> StudyResults:
        """Return the results of a study, when all patients are judged."""
        universe = self._current if study.wants_deceased else self._alive
        found = self._results.within(universe)
        if self.engine.of_study:
            of_study = self._of_study[study.version_id].within(universe)
            found = list(found)
            for index, bits in zip(self.engine.of_study, of_study, strict=True):
                found[index] = bits
        return StudyResults.of(self._rules[study.version_id], found, universe, self.size)


class _Results:
    """The outcomes of some leaves for all patients, as a table of small numbers."""

    def __init__(self, patients: int, leaves: int) -> None:
        self._outcomes = np.full((patients, leaves), _NUMBER_OF[Outcome.UNKNOWN], np.uint8)
        self._sets: dict[int, Sequence[Bits]] = {}
        """By universe."""

    def add(self, place: int, judgements: Iterable[Judgement]) -> None:
        """Note what the leaves say of a patient."""
        numbers = bytes([_NUMBER_OF[each.outcome] for each in judgements])
        self._outcomes[place] = np.frombuffer(numbers, np.uint8)

    def within(self, universe: int) -> Sequence[Bits]:
        """Return the results of the leaves for the patients of a universe."""
        if universe not in self._sets:
            fields = [self._members(is_in, universe) for is_in in _IS_IN.T]
            self._sets[universe] = [Bits(*members) for members in zip(*fields, strict=True)]
        return self._sets[universe]

    def _members(
        self, is_in: "np.ndarray[tuple[int], np.dtype[np.bool_]]", universe: int
    ) -> list[int]:
        """Return for each leaf the patients whose outcome is one of some."""
        packed = np.packbits(is_in[self._outcomes], axis=0, bitorder="little")
        return [int.from_bytes(column.tobytes(), "little") & universe for column in packed.T]
