"""Leaves that depend on the study are judged for each study, also if one run judges many."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from tests.recruiting.criteria.generated import Terms
from tests.recruiting.criteria.judged_facts import NEW_YORK, NOW
from trially.fhir.patient_matching.matching import match_studies
from trially.recruiting.criteria.days import LOOK_BACK, Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.folding import Bits
from trially.recruiting.criteria.evaluation.subjects import StudyContext
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.criteria.facts import Enrollment, Person, Place
from trially.recruiting.criteria.hashing import leaf_hash
from trially.recruiting.criteria.language.criteria import parse_criteria
from trially.recruiting.matching.digests import name_leaf
from trially.recruiting.matching.some_patients import SomePatients
from trially.recruiting.study_matching.collecting import Collected
from trially.recruiting.study_matching.compiling import compile_studies
from trially.recruiting.study_matching.explaining import Explainer
from trially.recruiting.study_matching.studies import MatchedStudy
from trially.recruiting.study_matching.together import Together

BERLIN, NEW_YORK_CITY = Place(52.52, 13.40), Place(40.71, -74.01)
MOMENT = Moment(NOW, NEW_YORK)

NEAR = {"kind": "inclusion", "expression": {"distance": {"lte": 50}}}
ELSEWHERE = {"kind": "exclusion", "expression": {"enrollment": {"in_other_study": True}}}
ADULT = {"kind": "inclusion", "expression": {"age": {"gte": 18}}}


def study(*criteria: dict[str, Any], place: Place) -> MatchedStudy:
    written = [{"id": str(number), **each} for number, each in enumerate(criteria)]
    parsed = parse_criteria({"schema": 1, "criteria": written})
    return MatchedStudy(uuid4(), uuid4(), parsed, (place,))


def pair(*criteria: dict[str, Any]) -> tuple[MatchedStudy, MatchedStudy]:
    """Return two studies with the same criteria, in Berlin and New York."""
    return study(*criteria, place=BERLIN), study(*criteria, place=NEW_YORK_CITY)


def chart_of(*in_studies: MatchedStudy) -> Chart:
    """Return an adult of Berlin who takes part in some studies."""
    parts = tuple(
        Enrollment(uuid4(), each.study_id, dt.date(2026, 1, 1), None) for each in in_studies
    )
    person = Person(uuid4(), dt.date(1980, 1, 1), "day", "female", enrollments=parts, place=BERLIN)
    return Chart(person, [], NEW_YORK)


def verdicts(studies: Sequence[MatchedStudy], chart: Chart) -> list[Verdict]:
    """Return the verdicts of studies as the computation of changed patients finds them."""
    collected = Collected(compile_studies(studies, Terms()), studies, MOMENT, 1)
    collected.add(0, chart)
    found = [collected.results(each).verdicts() for each in studies]
    return [
        Verdict.ELIGIBLE
        if each.eligible
        else Verdict.INELIGIBLE
        if each.ineligible
        else Verdict.POTENTIAL
        for each in found
    ]


def test_the_sites_of_each_study_are_its_own() -> None:
    assert verdicts(pair(ADULT, NEAR), chart_of()) == [Verdict.ELIGIBLE, Verdict.INELIGIBLE]


def test_the_study_itself_is_no_other_study() -> None:
    here, there = pair(ADULT, ELSEWHERE)

    assert verdicts((here, there), chart_of(here)) == [Verdict.ELIGIBLE, Verdict.INELIGIBLE]
    assert verdicts((here, there), chart_of(there)) == [Verdict.INELIGIBLE, Verdict.ELIGIBLE]
    assert verdicts((here, there), chart_of()) == [Verdict.ELIGIBLE, Verdict.ELIGIBLE]


def test_explanations_and_fhir_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    studies = pair(ADULT, NEAR, ELSEWHERE)
    chart = chart_of(studies[0])
    monkeypatch.setattr(
        "trially.recruiting.study_matching.explaining.read_charts", lambda *_: [chart]
    )

    [(_, explained)] = Explainer(studies, MOMENT, Terms()).explain([chart.person.id])
    matches, unknown = match_studies(studies, chart, MOMENT, Terms())

    expected = verdicts(studies, chart)
    assert expected == [Verdict.ELIGIBLE, Verdict.INELIGIBLE]
    assert [each["verdict"] for each in explained] == expected
    found = {each.study_id: each.result.verdict for each in matches}
    assert [found[each.study_id] for each in studies] == expected
    assert not unknown


class OfStudies(SomePatients):
    """A patient of whom leaves that read the study say that it is the one in Berlin."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.ordinals = engine, [0]
        self.everyone = self.alive = 1

    def evaluate(self) -> list[Bits]:
        return [Bits(1, 0)] * len(self.engine.leaves)

    def evaluate_for_study(self, study: StudyContext) -> list[Bits]:
        is_in_berlin = study.places == (BERLIN,)
        return [Bits(int(is_in_berlin), int(not is_in_berlin))] * len(self.engine.of_study)


def test_patients_who_are_judged_together_have_the_results_of_each_study() -> None:
    studies = pair(ADULT, NEAR)
    compiled = compile_studies(studies, Terms())

    judged = Together(compiled, OfStudies(compiled.engine))

    found = [judged.results(each).verdicts() for each in studies]
    assert [(each.eligible, each.ineligible) for each in found] == [(1, 0), (0, 1)]


def test_results_of_two_studies_have_different_names() -> None:
    here, there = pair(ADULT, NEAR, ELSEWHERE)
    engine = Engine(here.leaves, Terms())
    for leaf, selector in zip(engine.leaves, engine.selectors, strict=True):
        names = {name_leaf(leaf, selector, MOMENT, each.context) for each in (here, there)}
        hashes = {
            leaf_hash(leaf, Terms(), "UTC", LOOK_BACK, each.context) for each in (here, there)
        }
        assert len(names) == (2 if engine.index_of[leaf] in engine.of_study else 1), leaf
        assert len(hashes) == len(names)
    assert len(engine.of_study) == 2
