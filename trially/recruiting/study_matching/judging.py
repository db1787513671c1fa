"""Judge one patient with several studies: each leaf once, and then the rules of each study."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.verdicts import (
    Rule,
    StudyResult,
    bits_of,
    judge_study,
)
from trially.recruiting.study_matching.compiling import CompiledStudies
from trially.recruiting.study_matching.studies import MatchedStudy


class JudgedStudy(NamedTuple):
    """What the criteria of a study say of a patient."""

    study: MatchedStudy
    rules: Sequence[Rule]
    result: StudyResult


def judge_studies(
    compiled: CompiledStudies, studies: Sequence[MatchedStudy], chart: Chart, moment: Moment
) -> Iterator[JudgedStudy]:
    """Yield the results of studies, in their order. `valid_until` of a result means nothing."""
    engine = compiled.engine
    patient = engine.subject(chart, moment.without_outlook())
    of_any_study = engine.judge_all(chart, patient)
    bits_of_any_study = bits_of(of_any_study)
    for study in studies:
        rules = compiled.rules[study.version_id]
        subject = patient.for_study(study.context)
        judgements = engine.judge_for_study(of_any_study, chart, subject)
        result = judge_study(
            *(rules, judgements, subject),
            wants_deceased=study.wants_deceased,
            results=bits_of_any_study if judgements is of_any_study else None,
        )
        yield JudgedStudy(study, rules, result)
