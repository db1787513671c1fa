"""Evaluate the criteria of the tenant's studies for the chart of a patient who is not stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from trially.exports.fhir.elements import Json
from trially.fhir.definitions import CRITERION_OUTCOME, extension
from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.verdicts import Rule, StudyResult, Verdict
from trially.recruiting.study_matching.compiling import compile_known
from trially.recruiting.study_matching.judging import judge_studies
from trially.recruiting.study_matching.studies import MatchedStudy

MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_GRADES = {
    Verdict.ELIGIBLE: "certain",
    Verdict.POTENTIAL: "probable",
    Verdict.INELIGIBLE: "certainly-not",
}
_LEAST, _MOST = 1, 99
"""Scores in percent of patients who may be eligible."""


@dataclass(frozen=True)
class StudyMatch:
    """What the criteria of a study say of a patient."""

    study_id: UUID
    version_id: UUID
    rules: Sequence[Rule]
    result: StudyResult

    def search(self) -> Json:
        """Return how well the study fits, as `Bundle.entry.search`."""
        outcomes = zip(self.rules, self.result.outcomes, strict=True)
        return {
            "extension": [
                extension(MATCH_GRADE, valueCode=_GRADES[self.result.verdict]),
                *(_outcome(rule, str(outcome)) for rule, outcome in outcomes),
            ],
            "mode": "match",
            "score": score_of(self.result),
        }


def match_studies(
    studies: Sequence[MatchedStudy], chart: Chart, moment: Moment, terminology: Terminology
) -> tuple[list[StudyMatch], list[MatchedStudy]]:
    """Return the results of studies for a patient, the best first.

    The second list has the studies that cannot be evaluated, because codes that their criteria
    name cannot be looked up.
    """
    compiled, evaluated, unknown = compile_known(studies, terminology)
    matches = [
        StudyMatch(judged.study.study_id, judged.study.version_id, judged.rules, judged.result)
        for judged in judge_studies(compiled, evaluated, chart, moment)
    ]
    return sorted(matches, key=lambda each: each.result.rank), unknown


def score_of(result: StudyResult) -> float:
    """Return the score of an entry: 1 for eligible patients, 0 for ineligible ones."""
    if result.verdict == Verdict.ELIGIBLE:
        return 1.0
    if result.verdict == Verdict.INELIGIBLE:
        return 0.0
    return min(max(round(result.score), _LEAST), _MOST) / 100


def _outcome(rule: Rule, outcome: str) -> Json:
    return {
        "url": CRITERION_OUTCOME,
        "extension": [
            {"url": "key", "valueId": rule.criterion.id},
            {"url": "kind", "valueCode": rule.criterion.kind.value},
            {"url": "outcome", "valueCode": outcome.replace("_", "-")},
        ],
    }
