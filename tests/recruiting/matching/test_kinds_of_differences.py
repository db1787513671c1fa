"""Kinds of patients about whom the evaluators once differed: each agrees with the slow one now."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tests.recruiting.criteria.generated import HBA1C, METFORMIN
from tests.recruiting.criteria.generated_criteria import Json
from tests.recruiting.criteria.slow_evaluator import Situation
from tests.recruiting.matching.clinic_tables import add, fill, forget_frames, remove
from tests.recruiting.matching.generated_clinics import Patient
from tests.recruiting.matching.three_evaluators import Place, check
from trially.recruiting.criteria.facts import Fact, Person
from trially.recruiting.matching import lasting, setwise

NOW = Situation(dt.datetime(2026, 6, 15, 9, tzinfo=dt.UTC), ZoneInfo("UTC"))
MORNING = NOW.as_of - dt.timedelta(hours=1)
MEASURED: Json = {"observation": {"in": {"codes": ["loinc|4548-4"]}}}


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "now", lambda: NOW.as_of)
    monkeypatch.setattr(setwise, "FEW_PARTS", 1)


def patient(number: int, *facts: Fact, state: str = "current") -> Patient:
    return Patient(Person(UUID(int=number), dt.date(1960, 1, 1), "day", "female"), facts, state)


def hba1c(number: int, at: dt.datetime = MORNING, **columns: object) -> Fact:
    fact = Fact(
        UUID(int=number),
        "observation",
        *HBA1C,
        start_at=at,
        start_precision="instant",
        status="final",
        value_number=Decimal(9),
        unit="%",
        source="a",
        created_at=NOW.as_of,
    )
    return fact._replace(**columns)


def agree(place: Place, leaf: Json, patients: Sequence[Patient], now: Situation = NOW) -> None:
    with place.inside(place.tenant):
        check([leaf], patients, now, "kind", place.score)


def fill_with(place: Place, *patients: Patient) -> None:
    with place.inside(place.tenant):
        fill(patients)
        forget_frames()


@pytest.mark.parametrize(
    "value", [{"gte": 2, "times": "ULN"}, {"text": ["positive"]}], ids=["limits", "texts"]
)
def test_values_that_are_not_packed(place: Place, value: Json) -> None:
    patients = [
        patient(1, hba1c(1, reference_high=Decimal(4))),
        patient(2, hba1c(2, value_number=None, value_text="Positive")),
        patient(3),
    ]
    fill_with(place, *patients)

    agree(place, {"observation": {**MEASURED["observation"], "value": value}}, patients)


@pytest.mark.parametrize("missing", ["unknown", "not_met", "covered"])
def test_too_few_records(place: Place, missing: str) -> None:
    order = Fact(
        UUID(int=1),
        "medication",
        *METFORMIN,
        start_at=MORNING,
        start_precision="instant",
        status="active",
        source="a",
        source_type="MedicationRequest",
        created_at=NOW.as_of,
    )
    patients = [patient(1, order), patient(2)]
    fill_with(place, *patients)
    leaf = {"in": {"codes": ["rxnorm|860975"]}, "min_count": 2, "missing": missing}

    agree(place, {"medication": leaf}, patients)


@pytest.mark.parametrize("pick", ["any", "all"])
@pytest.mark.parametrize("missing", ["unknown", "not_met", "covered"])
def test_values_that_fail_and_may_be_outside_of_the_window(
    place: Place, missing: str, pick: str
) -> None:
    rough = hba1c(1, dt.datetime(2026, 5, 1, tzinfo=dt.UTC), start_precision="month")
    visit = hba1c(2, code_system="http://loinc.org", code="718-7", unit="g/dL")
    patients = [patient(1, rough, visit), patient(2, rough._replace(id=UUID(int=3)))]
    fill_with(place, *patients)
    leaf = {"pick": pick, "within": {"from": "-P30D"}, "value": {"lt": 7, "unit": "%"}}

    agree(
        place,
        {"observation": {**MEASURED["observation"], **leaf, "missing": missing}},
        patients,
    )


@pytest.mark.parametrize("in_other_study", [True, False])
@pytest.mark.parametrize("missing", ["unknown", "not_met", "covered"])
def test_participation_in_no_study(place: Place, missing: str, in_other_study: bool) -> None:
    patients = [patient(1, hba1c(1)), patient(2)]
    fill_with(place, *patients)

    agree(place, {"enrollment": {"in_other_study": in_other_study, "missing": missing}}, patients)


def test_the_last_patients_are_not_current(place: Place) -> None:
    patients = [patient(1, hba1c(1)), *(patient(n, hba1c(n), state="inactive") for n in (2, 3, 4))]
    fill_with(place, patients[0])
    with place.inside(place.tenant):
        check([MEASURED], patients[:1], NOW, "kind", place.score)
        add(patients[1:])

    agree(place, {"observation": {**MEASURED["observation"], "pick": "any"}}, patients)


def test_a_changed_patient_is_no_longer_current(place: Place) -> None:
    patients = [patient(1, hba1c(1)), patient(2, hba1c(2))]
    fill_with(place, *patients)
    agree(place, MEASURED, patients)
    gone = replace(patients[1], state="withdrawn")
    with place.inside(place.tenant):
        remove([2])
        add([gone])

    agree(place, MEASURED, [patients[0], gone])


def test_a_record_begins_later_on_the_day(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    later = replace(NOW, as_of=NOW.as_of + dt.timedelta(hours=6))
    patients = [patient(1, hba1c(1, later.as_of - dt.timedelta(hours=1))), patient(2)]
    fill_with(place, *patients)
    condition: Json = {"condition": {"in": {"codes": ["sct|44054006"]}}}
    for leaf in (MEASURED, condition):
        agree(place, leaf, patients)

    monkeypatch.setattr(lasting, "now", lambda: later.as_of)

    for leaf in (MEASURED, condition):
        agree(place, leaf, patients, later)


def test_a_day_to_come_is_not_the_day_when_it_comes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tomorrow = replace(NOW, as_of=NOW.as_of + dt.timedelta(days=1))
    afternoon = tomorrow.as_of + dt.timedelta(hours=6)
    patients = [patient(1, hba1c(1), hba1c(2, afternoon, value_number=Decimal(5)))]
    fill_with(place, *patients)
    leaf = {**MEASURED["observation"], "value": {"gte": 7, "unit": "%"}}
    agree(place, {"observation": leaf}, patients, replace(tomorrow, as_of=afternoon))

    monkeypatch.setattr(lasting, "now", lambda: tomorrow.as_of)

    agree(place, {"observation": leaf}, patients, tomorrow)


def _old_patients(number: int, at: dt.datetime) -> list[Patient]:
    """Return patients with a record of an old day, some of whom have a recent one too."""
    recent = hba1c(0, NOW.as_of - dt.timedelta(days=40))
    facts = [
        [hba1c(0, at)],
        [hba1c(0, at, start_precision="day"), recent],
        [hba1c(0, at)._replace(start_precision="month")],
        [hba1c(0, at, start_precision="year"), recent],
        [hba1c(0, at, value_number=Decimal(5)), recent],
    ]
    return [
        patient(
            10 * number + kind,
            *(
                each._replace(id=UUID(int=100 * number + 10 * kind + place))
                for place, each in enumerate(those)
            ),
        )
        for kind, those in enumerate(facts)
    ]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_records_before_the_window(place: Place, zone: str) -> None:
    days = [round(months * 30.436875) + more for months in (18, 36) for more in range(-3, 4)]
    undated = patient(1, hba1c(1)._replace(start_at=None, start_precision=None))
    patients = [undated]
    for number, ago in enumerate(days, 1):
        patients += _old_patients(number, NOW.as_of - dt.timedelta(days=ago))
    fill_with(place, *patients)
    leaves: list[Json] = [
        {
            "observation": {
                **MEASURED["observation"],
                **pick,
                "within": {"from": f"-P{months}M"},
                "value": {"gte": 7, "unit": "%"},
            }
        }
        for months in (17, 18, 19, 36, 150)
        for pick in ({}, {"pick": "any", "min_count": 2}, {"pick": "all"}, {"pick": "earliest"})
    ]

    with place.inside(place.tenant):
        check(leaves, patients, replace(NOW, zone=ZoneInfo(zone)), "kind", place.score)
