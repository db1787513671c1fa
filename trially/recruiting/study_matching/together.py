"""The results of some patients with several studies, when each leaf is judged for all at once."""

from collections.abc import Sequence

from trially.recruiting.criteria.evaluation.folding import Bits
from trially.recruiting.matching.some_patients import SomePatients
from trially.recruiting.study_matching.compiling import CompiledStudies
from trially.recruiting.study_matching.results import StudyResults
from trially.recruiting.study_matching.studies import MatchedStudy


class Together:
    """The results of leaves of several studies for some patients, by their places."""

    def __init__(self, compiled: CompiledStudies, patients: SomePatients) -> None:
        self._compiled, self._patients = compiled, patients
        self._found = patients.evaluate()

    def results(self, study: MatchedStudy) -> StudyResults:
        """Return the results of a study."""
        patients = self._patients
        universe = patients.everyone if study.wants_deceased else patients.alive
        rules = self._compiled.rules[study.version_id]
        return StudyResults.of(rules, self._leaves(study), universe, len(patients.ordinals))

    def _leaves(self, study: MatchedStudy) -> Sequence[Bits]:
        """Return the results of all leaves, those that read the study for this one."""
        of_study = self._compiled.engine.of_study
        if not of_study:
            return self._found
        found = list(self._found)
        judged = self._patients.evaluate_for_study(study.context)
        for index, bits in zip(of_study, judged, strict=True):
            found[index] = bits
        return found
