"""Demo records: results, illnesses, sexes and dates are consistent with each other."""

import re
from datetime import date, timedelta
from statistics import mean

import pytest
from demo_records import (
    BODY_MASS_INDEX,
    DIABETES,
    FILTRATION,
    HBA1C,
    HBA1C_IFCC,
    HEIGHT,
    KIDNEY_DISEASE,
    PREGNANCY,
    RECORDS,
    WEIGHT,
    codes_of,
    every_tenant,
    latest,
    of_type,
    owner_of,
    patients_with,
    strings,
)

from trially.demo.people import DEMO_TODAY

DATE = re.compile(r"^\d{4}-\d\d-\d\d")


@every_tenant
def test_diabetics_have_the_higher_hba1c(slug: str) -> None:
    diabetics, values = patients_with(slug, DIABETES), latest(slug, HBA1C)
    theirs = [value for patient, value in values.items() if patient in diabetics]
    others = [value for patient, value in values.items() if patient not in diabetics]

    assert mean(theirs) > mean(others) + 1.5
    assert all(6.2 <= value <= 11 for value in theirs)
    assert all(4.8 <= value <= 5.9 for value in others)


@every_tenant
def test_hba1c_in_either_unit_tells_the_same(slug: str) -> None:
    diabetics = patients_with(slug, DIABETES)

    for patient, value in latest(slug, HBA1C_IFCC).items():
        assert (value / 10.929 + 2.15 > 6.1) == (patient in diabetics)


@every_tenant
def test_filtration_agrees_with_kidney_disease(slug: str) -> None:
    diseased = patients_with(slug, KIDNEY_DISEASE)

    for patient, value in latest(slug, FILTRATION).items():
        assert (30 <= value < 60) == (patient in diseased)


@every_tenant
def test_diabetes_brings_other_illnesses_along(slug: str) -> None:
    diabetics = patients_with(slug, DIABETES)
    others = {patient["id"] for patient in of_type(slug, "Patient")} - diabetics

    tense = patients_with(slug, "59621000") | patients_with(slug, "38341003")
    assert len(tense & diabetics) / len(diabetics) > len(tense & others) / len(others)


@every_tenant
def test_sexes_have_only_what_they_can_have(slug: str) -> None:
    sex = {patient["id"]: patient["gender"] for patient in of_type(slug, "Patient")}
    women_only = {PREGNANCY, "254837009", "38822007", "24623002", "169230002"}
    men_only = {"399068003", "2857-1", "65575008", "90470006"}

    assert patients_with(slug, PREGNANCY)
    for resource in RECORDS[slug]:
        if "code" in resource:
            if codes_of(resource) & women_only:
                assert sex[owner_of(resource)] == "female"
            if codes_of(resource) & men_only:
                assert sex[owner_of(resource)] == "male"


@every_tenant
def test_pregnancies_end_in_time_and_come_at_childbearing_age(slug: str) -> None:
    born = {patient["id"]: int(patient["birthDate"][:4]) for patient in of_type(slug, "Patient")}

    for condition in of_type(slug, "Condition"):
        if PREGNANCY in codes_of(condition):
            began = date.fromisoformat(condition["onsetDateTime"])
            ended = date.fromisoformat(condition.get("abatementDateTime", DEMO_TODAY.isoformat()))
            assert 17 <= began.year - born[owner_of(condition)] <= 45
            assert ended - began <= timedelta(days=280)


@every_tenant
def test_weight_height_and_body_mass_index_agree(slug: str) -> None:
    heights = latest(slug, HEIGHT)
    at_visit: dict[str, dict[str, float]] = {}
    for observation in of_type(slug, "Observation"):
        if codes_of(observation) & {WEIGHT, BODY_MASS_INDEX} and observation["status"] == "final":
            (code,) = codes_of(observation)
            encounter = observation["encounter"]["reference"]
            at_visit.setdefault(encounter, {"height": heights.get(owner_of(observation), 0.0)})
            at_visit[encounter][code] = observation["valueQuantity"]["value"]

    complete = [each for each in at_visit.values() if each["height"] and len(each) == 3]
    assert len(complete) > len(heights)
    for values in complete:
        index = values[WEIGHT] / (values["height"] / 100) ** 2
        assert values[BODY_MASS_INDEX] == pytest.approx(index, abs=0.06)


@every_tenant
def test_obesity_agrees_with_body_mass_index(slug: str) -> None:
    obese = patients_with(slug, "414916001")

    for patient, index in latest(slug, BODY_MASS_INDEX).items():
        assert (index >= 30) == (patient in obese)


@every_tenant
def test_nothing_happens_before_birth_or_after_death_or_today(slug: str) -> None:
    patients = {patient["id"]: patient for patient in of_type(slug, "Patient")}

    for resource in RECORDS[slug]:
        patient = patients[owner_of(resource)]
        last = patient.get("deceasedDateTime", DEMO_TODAY.isoformat())
        days = [text[:10] for text in strings(resource) if DATE.match(text)]
        assert all(patient["birthDate"] <= day <= last for day in days)
