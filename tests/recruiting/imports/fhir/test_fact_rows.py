"""The rows of clinical resources."""

from typing import Any

import pytest

from tests.recruiting.imports.fhir_examples import (
    ALLERGY,
    CONDITION,
    ENCOUNTER,
    IMMUNIZATION,
    MEDICATION,
    OBSERVATION,
    PRESSURE,
    PROCEDURE,
    REQUEST,
    RXNORM,
    SNOMED,
    STATEMENT,
    concept,
    fault_of,
    translate_fact,
)
from trially.recruiting.imports.fhir.rows import IgnoredResource
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.patients.choices import WithdrawalReason


def test_condition_row() -> None:
    assert translate_fact(CONDITION) == {
        "patient_source_id": "p1",
        "type": "condition",
        "source_type": "Condition",
        "source_id": "c1",
        "component": 0,
        "code_system": SNOMED,
        "code": "44054006",
        "display": "T2DM",
        "other_codings": [
            {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9", "display": None}
        ],
        "details": {"text": "Diabetes"},
        "category": "problem-list-item",
        "clinical_status": "active",
        "verification_status": "confirmed",
        "negated": False,
        "start_at": "2011-10-01T00:00:00Z",
        "start_precision": "month",
        "end_at": "2012-02-01T08:00:00Z",
        "end_precision": "instant",
        "end_offset": 120,
        "recorded_at": "2011-11-05T00:00:00Z",
        "recorded_offset": 0,
        "entered_in_error": False,
    }


def test_the_date_of_recording_does_not_replace_a_missing_onset() -> None:
    fact = translate_fact(CONDITION, onsetDateTime=None, onsetAge={"value": 50, "unit": "a"})

    assert "start_at" not in fact
    assert fact["start_age"] == "P50Y"
    assert fact["recorded_at"] == "2011-11-05T00:00:00Z"


@pytest.mark.parametrize(
    ("resource", "changes"),
    [
        (CONDITION, {"verificationStatus": concept(None, "entered-in-error")}),
        (ALLERGY, {"verificationStatus": concept(None, "entered-in-error")}),
        (OBSERVATION, {"status": "entered-in-error"}),
        (ENCOUNTER, {"status": "entered-in-error"}),
    ],
)
def test_records_entered_in_error_are_marked(
    resource: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert translate_fact(resource, **changes)["entered_in_error"] is True


def test_elements_from_before_r4_are_read() -> None:
    older = {"occurrenceDateTime": None, "date": "2011"}

    assert translate_fact(IMMUNIZATION, **older)["start_at"] == "2011-01-01T00:00:00Z"
    assert translate_fact(CONDITION, clinicalStatus="resolved")["clinical_status"] == "resolved"


def test_observation_value() -> None:
    fact = translate_fact(OBSERVATION)

    assert fact["value_number"] == 7.25
    assert (fact["comparator"], fact["unit"]) == ("<", "%")
    assert fact["start_at"] == "2020-03-01T04:30:00.500000Z"
    assert fact["recorded_at"] == "2020-03-01T08:00:00Z"
    assert fact["encounter_source_id"] == "e1"
    assert fact["category"] == "laboratory"


def test_components_become_facts_of_their_own() -> None:
    rows = translate(PRESSURE)

    assert isinstance(rows, list)
    assert [
        (
            row["component"],
            row.get("parent_code"),
            row["code"],
            row.get("value_number"),
            row.get("unit"),
        )
        for row in rows
    ] == [
        (0, None, "85354-9", None, None),
        (1, "85354-9", "8480-6", 140, "mm[Hg]"),
        (2, "85354-9", "8462-4", None, None),
    ]
    assert {row["start_at"] for row in rows} == {"2020-03-01T04:30:00.500000Z"}


@pytest.mark.parametrize(
    ("element", "value", "expected"),
    [
        ("valueCodeableConcept", concept(SNOMED, "266919005"), {"value_code": "266919005"}),
        ("valueString", "a\0b", {"value_text": "ab"}),
        ("valueString", "x" * 5_000, {"value_text": "x" * 4_000}),
        ("valueBoolean", False, {"value_code": "false"}),
        ("valueInteger", 3, {"value_number": 3}),
        ("valueRange", {"low": {"value": 5}, "high": {"value": 7.5, "unit": "mg"}},
         {"value_text": "5 - 7.5 mg"}),
        ("valueRatio", {"numerator": {"value": 1}, "denominator": {"value": 128}},
         {"value_text": "1 : 128"}),
        ("valueDateTime", "2020-01", {"value_text": "2020-01"}),
        ("valuePeriod", {"start": "2020"}, {"value_text": "2020 - …"}),
        ("valueSampledData", {"data": "1 2 3"}, {"value_text": None, "value_number": None}),
        ("valueQuantity", {"value": "7.5", "unit": "mg"}, {"value_number": 7.5, "unit": "mg"}),
        ("valueQuantity", {"value": 1, "code": "x", "system": "urn:x", "unit": "tablets"},
         {"unit": "tablets"}),
    ],
)  # fmt: skip
def test_kinds_of_value(element: str, value: object, expected: dict[str, Any]) -> None:
    fact = translate_fact(OBSERVATION, **{"valueQuantity": None, element: value})

    assert {key: dict(fact).get(key) for key in expected} == expected


def test_an_absent_value_is_no_value() -> None:
    fact = translate_fact(OBSERVATION, valueQuantity=None, dataAbsentReason={"text": "refused"})

    assert fact.keys().isdisjoint({"value_number", "value_text", "unit"})
    assert fact["details"]["absent_reason"]["display"] == "refused"  # type: ignore[index]


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        ({"value": float("inf")}, "Observation.valueQuantity.value is too large."),
        ({"value": 10**400}, "Observation.valueQuantity.value is too large."),
        ({"value": True}, "Observation.valueQuantity.value is not a number."),
        ({"value": 1, "comparator": "~"},
         "Observation.valueQuantity.comparator is not one of <, <=, >=, >."),
        ([1], "Observation.valueQuantity is not an object."),
    ],
)  # fmt: skip
def test_a_bad_quantity_is_left_out(quantity: object, reason: str) -> None:
    assert fault_of(OBSERVATION, valueQuantity=quantity).reason == reason


def test_a_bad_component_is_left_out_and_named() -> None:
    error = fault_of(PRESSURE, component=[PRESSURE["component"][0], {"valueString": "x"}])

    assert error.reason == "Observation.component[1].code is missing."
    assert error.pointer == "/component/1/code"


def test_medications() -> None:
    contained, referred = translate_fact(REQUEST), translate_fact(STATEMENT)

    assert (contained["code"], "medication_source_id" in contained) == ("860975", False)
    assert (contained["intent"], contained["end_at"]) == ("order", "2021-01-01T00:00:00Z")
    assert ("code" in referred, referred["medication_source_id"]) == (False, "m9")
    assert (referred["display"], referred["start_precision"]) == ("Metformin", "year")
    assert translate(MEDICATION) == {
        "source_id": "m9",
        "code_system": RXNORM,
        "code": "860975",
        "display": None,
        "other_codings": None,
        "status": None,
        "entered_in_error": False,
    }


def test_a_request_not_to_give_a_medication_is_ignored() -> None:
    translated = translate({**REQUEST, "doNotPerform": True})

    assert translated == IgnoredResource(
        "MedicationRequest (do not perform)", WithdrawalReason.NOT_PERFORMED
    )


def test_other_facts() -> None:
    assert translate_fact(PROCEDURE)["display"] == "Appendectomy"
    assert translate_fact(PROCEDURE)["end_precision"] == "day"
    assert translate_fact(ALLERGY)["recorded_at"] == "1951-01-07T09:21:52Z"
    assert "start_at" not in translate_fact(ALLERGY)
    assert translate_fact(IMMUNIZATION)["code_system"] == "http://hl7.org/fhir/sid/cvx"
    assert translate_fact(ENCOUNTER)["category"] == "AMB"
    assert translate_fact(ENCOUNTER)["code"] == "185349003"
