"""What is left out of a patient's records decides nothing: not now, and not later."""

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.recruiting.criteria.generated import HBA1C, METFORMIN, Terms
from tests.recruiting.matching.clinic_tables import fill
from tests.recruiting.matching.generated_clinics import Patient
from tests.recruiting.matching.three_evaluators import Place, leaf_of
from trially.recruiting.criteria.days import Moment, days_of
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.facts import Fact, Person
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.matching.deciding import EVERYTHING, wanted_by

NOW = dt.datetime(2026, 3, 1, 2, 30, tzinfo=dt.UTC)
ZONES = ("America/New_York", "Europe/Berlin", "Pacific/Kiritimati")
PATIENTS, MOST_FACTS = 40, 25
LATER = [dt.timedelta(hours=hours) for hours in (0, 20, 44, 24 * 40, 24 * 700)]

GLUCOSE = ("http://loinc.org", "2339-0")
FLU = ("http://snomed.info/sct", "6142004")
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"

OF_HBA1C = {"codes": ["loinc|4548-4"]}
OF_BOTH = {"codes": ["loinc|4548-4", "loinc|2339-0"]}
ABOVE_7 = {"gte": 7, "unit": "%"}
LATEST = {"observation": {"in": OF_HBA1C, "within": {"from": "-P60D"}, "value": ABOVE_7}}
LATEST_OF_BOTH = {"observation": {"in": OF_BOTH, "missing": "covered"}}
DIABETES = {"condition": {"in": {"icd10_prefix": ["E11", "E10.1"]}, "missing": "not_met"}}
SETS: dict[str, list[Any]] = {
    "the latest": [LATEST],
    "the latest of two": [LATEST_OF_BOTH],
    "the latest and any": [
        LATEST_OF_BOTH,
        {"observation": {"in": OF_HBA1C, "pick": "any", "min_count": 2, "value": ABOVE_7}},
    ],
    "the earliest": [{"observation": {"in": OF_BOTH, "pick": "earliest"}}],
    "beginnings of codes": [DIABETES],
    "several types": [
        {"medication": {"in": {"codes": ["rxnorm|860975"]}, "status": "active"}},
        {"encounter": {"class": ["inpatient"], "within": {"from": "-P30D"}}},
        LATEST,
        DIABETES,
    ],
    "silence": [{"condition": {"in": {"codes": ["sct|6142004"]}}}],
}


def make_facts(chance: random.Random, first: int) -> Iterator[Fact]:
    edges = [NOW, NOW - dt.timedelta(days=60), NOW - dt.timedelta(days=729)]
    for number in range(chance.randint(0, MOST_FACTS)):
        precision = chance.choice(("instant", "instant", "day", "month", "year", None))
        at = chance.choice(edges) + dt.timedelta(hours=chance.randint(-200, 80))
        if precision != "instant":
            at = at.replace(hour=0, minute=0)
        kind, coding = chance.choice(
            [
                *[("observation", HBA1C), ("observation", GLUCOSE)] * 3,
                ("medication", METFORMIN),
                ("encounter", (None, None)),
                ("condition", FLU),
                *(("condition", (ICD10, code)) for code in ("E11", "E119", "E10.10", "E12", "E1")),
                ("condition", HBA1C),
            ]
        )
        others = [{"system": HBA1C[0], "code": HBA1C[1]}] if chance.random() < 0.1 else None
        yield Fact(
            UUID(int=first + number),
            kind,
            *coding,
            other_codings=others,
            category=chance.choice(("IMP", "AMB", None)),
            status="finished" if kind == "encounter" else chance.choice(("final", "active")),
            verification_status=chance.choice((None, None, "confirmed", "refuted", "unconfirmed")),
            start_at=None if chance.random() < 0.1 else at,
            start_precision=precision,
            recorded_at=at + dt.timedelta(days=chance.randint(-3, 40))
            if chance.random() < 0.5
            else None,
            created_at=NOW - dt.timedelta(days=chance.choice((-1, 0, 10, 500))),
            value_number=Decimal(chance.randint(5, 9)) if kind == "observation" else None,
            unit="%" if kind == "observation" else None,
            source=chance.choice(("a", "b")),
        )


def answers(engine: Engine, chart: Chart, moment: Moment) -> Iterator[tuple[Any, ...]]:
    """Yield of each leaf all that its judgement says, at a moment and at later ones."""
    reads_coverage = wanted_by(engine.selectors).coverage
    for later in LATER:
        subject = engine.subject(chart, Moment(moment.at + later, moment.days))
        yield subject.coverage if reads_coverage else None
        for judgement in engine.judge_all(chart, subject):
            evidence = tuple(row.fact for row in judgement.rows)
            yield judgement.outcome, judgement.reason, judgement.until, evidence


@pytest.mark.parametrize("zone", ZONES)
def test_records_that_are_left_out_decide_nothing(place: Place, zone: str) -> None:
    chance = random.Random(zone)
    patients = [
        Patient(
            Person(UUID(int=number), dt.date(1960, 1, 1), "day", "female"),
            tuple(make_facts(chance, 1_000 * number)),
        )
        for number in range(1, PATIENTS + 1)
    ]
    ids = [each.person.id for each in patients]
    moment = Moment(NOW, days_of(zone))
    left_out = 0
    with place.inside(place.tenant):
        fill(patients)
        whole = {each.person.id: each for each in read_charts(ids, moment, EVERYTHING)}
        for name, written in SETS.items():
            engine = Engine([leaf_of(each) for each in written], Terms())
            for chart in read_charts(ids, moment, wanted_by(engine.selectors)):
                expected = whole[chart.person.id]
                found = list(answers(engine, chart, moment))
                assert found == list(answers(engine, expected, moment)), (name, chart.person.id)
                left_out += len(expected.rows) - len(chart.rows)
    assert left_out > PATIENTS
