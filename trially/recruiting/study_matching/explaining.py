"""Why a patient matches a study or does not: each criterion with its evidence.

It is computed when it is read: the evaluator of one patient gives the verdict and its evidence, so
no value contradicts the verdict beside it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from uuid import UUID

from trially.database.rows import Item
from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import NEVER, Moment
from trially.recruiting.criteria.english.sentences import describe_asked
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.verdicts import Rule, StudyResult, judge_study
from trially.recruiting.criteria.explaining.changes import Change, ChangeFinder
from trially.recruiting.criteria.explaining.evidence import (
    Evidence,
    LeafExplanation,
    explain_leaf,
)
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.study_matching.compiling import compile_studies
from trially.recruiting.study_matching.ranks import count_kinds, score_of, unknown_kind
from trially.recruiting.study_matching.studies import MatchedStudy


class Explainer:
    """Explains studies for some patients at one moment."""

    def __init__(
        self, studies: Sequence[MatchedStudy], moment: Moment, terminology: Terminology
    ) -> None:
        """Compile the studies. Raises `UnknownCodesError`."""
        self.moment = moment
        self._compiled = compile_studies(studies, terminology)
        self.engine = self._compiled.engine
        self.studies = {study.study_id: study for study in studies}
        self._names = Names(terminology, self._compiled.wordings)

    def explain(self, patient_ids: Sequence[UUID]) -> Iterator[tuple[UUID, list[Item]]]:
        """Yield patients with the results of all studies."""
        for chart in read_charts(patient_ids, self.moment, self._compiled.wanted):
            yield chart.person.id, list(self._explain(chart))

    def _explain(self, chart: Chart) -> Iterator[Item]:
        patient = self.engine.subject(chart, self.moment)
        of_any_study = self.engine.judge_all(chart, patient)
        changes = ChangeFinder(self.engine, chart, patient, of_any_study, self._names)
        for study in self.studies.values():
            subject = patient.for_study(study.context)
            judgements = self.engine.judge_for_study(of_any_study, chart, subject)
            found = changes
            if judgements is not of_any_study:
                found = ChangeFinder(self.engine, chart, subject, judgements, self._names)
            rules = self._compiled.rules[study.version_id]
            result = judge_study(
                *(rules, judgements, subject),
                wants_deceased=study.wants_deceased,
                results=found.results,
            )
            yield self._describe(study, rules, result, found)

    def _describe(
        self,
        study: MatchedStudy,
        rules: Sequence[Rule],
        result: StudyResult,
        changes: ChangeFinder,
    ) -> Item:
        kinds = [
            unknown_kind(rule, outcome)
            for rule, outcome in zip(rules, result.outcomes, strict=True)
        ]
        return {
            "study_id": study.study_id,
            "verdict": result.verdict.value,
            "standing": result.standing.value,
            "score": score_of(result),
            "undecided": count_kinds(kinds),
            "valid_until": _instant(result.valid_until),
            "criteria": [
                {
                    "position": number,
                    "key": rule.criterion.id,
                    "kind": rule.criterion.kind.value,
                    "sentence": describe_asked(rule.criterion, self._names),
                    "outcome": result.outcomes[number].value,
                    "unknown_kind": kinds[number],
                    "alternatives": [
                        {"changes": [_describe_change(each) for each in alternative]}
                        for alternative in changes.alternatives(rule)
                    ],
                    "leaves": list(self._describe_leaves(rule, changes)),
                }
                for number, rule in enumerate(rules)
            ],
        }

    def _describe_leaves(self, rule: Rule, changes: ChangeFinder) -> Iterator[Item]:
        for pointer, index in zip(rule.pointers, rule.indices, strict=True):
            leaf = self.engine.leaves[index]
            explanation = explain_leaf(pointer, leaf, changes.judgements[index], self._names)
            yield _describe_leaf(leaf.kind, explanation)


def _describe_change(change: Change) -> Item:
    return {
        "pointer": change.pointer,
        "wanted": change.wanted.value,
        "way": change.way.value,
        "from_day": change.from_day,
        "to_day": change.to_day,
        "at": change.at,
        "text": change.text,
    }


def _describe_leaf(kind: str, explanation: LeafExplanation) -> Item:
    return {
        "pointer": explanation.pointer,
        "kind": kind,
        "sentence": explanation.sentence,
        "outcome": explanation.outcome.value,
        "reason": None if explanation.reason is None else explanation.reason.value,
        "reason_text": explanation.reason_text,
        "until": _instant(explanation.until),
        "records": [_describe_record(each) for each in explanation.evidence],
        "record_count": explanation.records,
    }


def _describe_record(record: Evidence) -> Item:
    return {
        "id": record.fact_id,
        "type": record.type,
        "code_system": record.code_system,
        "code": record.code,
        "start_at": record.begun_at,
        "start_precision": record.precision,
        "end_at": record.ended_at,
        "value_number": None if record.value is None else str(record.value),
        "unit": record.unit,
        "converted_number": None if record.converted is None else str(record.converted),
        "converted_unit": record.converted_unit,
        "comparator": record.comparator,
        "value_code": record.value_code,
        "status": record.status,
        "is_refuting": record.is_refuting,
    }


def _instant(until: dt.datetime | None) -> dt.datetime | None:
    """Return an instant, or None for one that never comes."""
    return None if until is None or until >= NEVER else until
