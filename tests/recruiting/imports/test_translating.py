"""What FHIR resources become."""

import copy
import json
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trially.recruiting.imports.reading import find_parts, read_resources
from trially.recruiting.imports.rows import FactRow, PatientRow
from trially.recruiting.imports.translating import (
    PassedOver,
    ResourceError,
    Translated,
    translate,
)

FHIR = Path(__file__).parents[4] / "shared" / "data" / "fhir"
SYNTHEA = FHIR / "synthea_615_ndjson"
BUNDLES = FHIR / "synthea_bundles_617.tar.xz"
BULK = FHIR / "smart_bulk_10"

needs_synthea = pytest.mark.skipif(not SYNTHEA.exists(), reason="the 615 patients are not here")
needs_bundles = pytest.mark.skipif(not BUNDLES.exists(), reason="the bundles are not here")
needs_bulk = pytest.mark.skipif(not BULK.exists(), reason="the bulk export is not here")

SNOMED, LOINC, RXNORM = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
SUBJECT = {"reference": "Patient/p1"}


def concept(system: str | None, code: str | None, display: str | None = None) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [
        {"type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "SS"), "value": "1"},
        {"type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"), "value": " M7 "},
    ],
    "name": [{"use": "official", "family": "Ångström", "given": ["Ida", "Maj"]}],
    "telecom": [{"system": "phone", "value": "tel:555-1"}, {"system": "email", "value": "i@x.se"}],
    "gender": "female",
    "birthDate": "1956-08-03",
    "address": [{"line": ["1 High St", "Flat 2"], "city": "Ely", "postalCode": "CB7"}],
    "extension": [
        {
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
            "extension": [
                {"url": "ombCategory", "valueCoding": {"code": "2106-3", "display": "White"}},
                {"url": "ombCategory", "valueCoding": {"code": "2028-9", "display": "Asian"}},
            ],
        },
        {
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-genderIdentity",
            "valueCodeableConcept": concept(SNOMED, "446141000124107", "Identifies as female"),
        },
    ],
    "communication": [
        {"language": concept("urn:ietf:bcp:47", "en-GB")},
        {"language": concept("urn:ietf:bcp:47", "sv"), "preferred": True},
    ],
}
CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": SUBJECT,
    "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
    "verificationStatus": concept(None, "confirmed"),
    "category": [concept(None, "problem-list-item")],
    "code": {
        "coding": [
            {"system": "urn:oid:2.16.840.1.113883.6.90", "code": "E11.9"},
            {"system": "http://snomed.info/sct|2024", "code": "44054006", "display": "T2DM"},
        ],
        "text": "Diabetes",
    },
    "onsetDateTime": "2011-10",
    "abatementPeriod": {"start": "2012-01-01", "end": "2012-02-01T10:00:00+02:00"},
    "recordedDate": "2011-11-05T00:00:00Z",
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "subject": SUBJECT,
    "encounter": {"reference": "https://ehr.example/fhir/Encounter/e1/_history/3"},
    "category": [concept(None, "laboratory")],
    "code": concept(LOINC, "4548-4", "HbA1c"),
    "effectiveDateTime": "2020-02-29T23:30:00.500-05:00",
    "issued": "2020-03-01T08:00:00Z",
    "valueQuantity": {
        "value": 7.25,
        "comparator": "<",
        "unit": "percent",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    },
}
PRESSURE = {
    **{key: value for key, value in OBSERVATION.items() if key != "valueQuantity"},
    "code": concept(LOINC, "85354-9"),
    "component": [
        {
            "code": concept(LOINC, "8480-6"),
            "valueQuantity": {"value": 140, "code": "mm[Hg]"},
        },
        {"code": concept(LOINC, "8462-4"), "dataAbsentReason": {"text": "refused"}},
    ],
}
REQUEST = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "status": "active",
    "intent": "order",
    "subject": SUBJECT,
    "authoredOn": "2020-01-01",
    "dispenseRequest": {"validityPeriod": {"end": "2021-01-01"}},
    "medicationReference": {"reference": "#drug"},
    "contained": [{"resourceType": "Medication", "id": "drug", "code": concept(RXNORM, "860975")}],
}
STATEMENT = {
    "resourceType": "MedicationStatement",
    "id": "s1",
    "status": "active",
    "subject": SUBJECT,
    "medicationReference": {"reference": "Medication/m9", "display": "Metformin"},
    "effectivePeriod": {"start": "2019"},
    "dateAsserted": "2019-05-05",
}
PROCEDURE = {
    "resourceType": "Procedure",
    "id": "r1",
    "status": "completed",
    "subject": SUBJECT,
    "code": {"text": "Appendectomy"},
    "performedPeriod": {"start": "2012-11-25T23:37:54Z", "end": "2012-11-26"},
}
ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "id": "a1",
    "patient": SUBJECT,
    "category": ["food"],
    "criticality": "high",
    "code": concept(SNOMED, "300913006"),
    "recordedDate": "1951-01-07T09:21:52+00:00",
}
IMMUNIZATION = {
    "resourceType": "Immunization",
    "id": "i1",
    "status": "completed",
    "patient": SUBJECT,
    "vaccineCode": concept("urn:oid:2.16.840.1.113883.12.292", "140"),
    "occurrenceDateTime": "2011-10-14",
}
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"code": "AMB"},
    "type": [{}, concept(SNOMED, "185349003")],
    "subject": SUBJECT,
    "period": {"start": "2020-01-01T00:00:00Z"},
}
MEDICATION = {"resourceType": "Medication", "id": "m9", "code": concept(RXNORM, "860975")}
EXAMPLES = [
    PATIENT,
    CONDITION,
    OBSERVATION,
    PRESSURE,
    REQUEST,
    STATEMENT,
    PROCEDURE,
    ALLERGY,
    IMMUNIZATION,
    ENCOUNTER,
    MEDICATION,
]


def translate_fact(resource: dict[str, Any], **changes: object) -> FactRow:
    rows = translate({**resource, **changes})
    assert isinstance(rows, list)
    return rows[0]


def translate_patient(**changes: object) -> PatientRow:
    row = translate({**PATIENT, **changes})
    assert isinstance(row, dict)
    assert "mrn" in row
    return row


def refuse(resource: dict[str, Any], **changes: object) -> ResourceError:
    with pytest.raises(ResourceError) as caught:
        translate({**resource, **changes})
    return caught.value


def test_patient_row() -> None:
    assert translate_patient() == {
        "source_id": "p1",
        "mrn": "M7",
        "given_name": "Ida Maj",
        "family_name": "Ångström",
        "birth_date": "1956-08-03",
        "birth_date_precision": "day",
        "sex": "female",
        "gender_identity": "Identifies as female",
        "race": "White, Asian",
        "ethnicity": None,
        "language": "sv",
        "phone": "555-1",
        "email": "i@x.se",
        "address": {
            "line": "1 High St, Flat 2",
            "city": "Ely",
            "state": None,
            "postal_code": "CB7",
            "country": None,
        },
        "deceased": False,
        "deceased_at": None,
        "active": True,
        "entered_in_error": False,
    }


def test_bare_patient_goes_by_the_resource_id() -> None:
    row = translate({"resourceType": "Patient", "id": "p2"})

    assert isinstance(row, dict)
    assert {key: value for key, value in row.items() if value not in (None, False)} == {
        "source_id": "p2",
        "mrn": "p2",
        "active": True,
    }


@pytest.mark.parametrize(
    ("identifiers", "mrn"),
    [
        ([{"value": "first"}, {"type": {"text": "MRN"}, "value": "second"}], "second"),
        ([{"use": "old", "value": "old"}, {"value": "new"}], "new"),
        ([{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "9"}, {"value": "x"}], "x"),
        ([{"type": concept(None, "DL"), "value": "9"}], "p1"),
        (
            [
                {"type": concept(None, "MR"), "period": {"end": "2020"}, "value": "ended"},
                {"type": concept(None, "MR"), "value": "plain"},
                {"type": concept(None, "MR"), "use": "official", "value": "official"},
            ],
            "official",
        ),
    ],
)
def test_record_number_is_chosen(identifiers: list[dict[str, Any]], mrn: str) -> None:
    assert translate_patient(identifier=identifiers)["mrn"] == mrn


def test_record_number_is_never_cut() -> None:
    error = refuse(PATIENT, identifier=[{"value": "9" * 129}])

    assert error.reason == "Patient.identifier.value is longer than 128 characters"
    assert error.pointer == "/identifier/value"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([{"use": "maiden", "family": "A"}, {"family": "B"}], (None, "B")),
        ([{"family": "A"}, {"use": "usual", "family": "B", "given": ["C"]}], ("C", "B")),
        ([{"use": "old", "family": "A"}], (None, "A")),
        ([{"text": "Ida Berg"}], (None, "Ida Berg")),
        ({"family": ["van", "Dyk"], "given": "Jo"}, ("Jo", "van Dyk")),
        ([{"family": "x" * 300}], (None, "x" * 200)),
    ],
)
def test_name_is_chosen(names: object, expected: tuple[str | None, str | None]) -> None:
    row = translate_patient(name=names)

    assert (row["given_name"], row["family_name"]) == expected


@pytest.mark.parametrize(
    ("birth_date", "expected"),
    [
        ("1956", ("1956-01-01", "year")),
        ("1956-08", ("1956-08-01", "month")),
        ("1956-08-03T00:00:00Z", ("1956-08-03", "day")),
        (None, (None, None)),
    ],
)
def test_birth_date_keeps_its_precision(birth_date: object, expected: tuple[str, str]) -> None:
    row = translate_patient(birthDate=birth_date)

    assert (row["birth_date"], row["birth_date_precision"]) == expected


@pytest.mark.parametrize(
    "birth_date", ["0000-00-00", "1956-13-01", "1956-02-30", "03/08/1956", 19560803, [], "19560803"]
)
def test_what_is_not_a_date_is_refused(birth_date: object) -> None:
    error = refuse(PATIENT, birthDate=birth_date)

    assert (error.reason, error.pointer) == ("Patient.birthDate is not a date", "/birthDate")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"deceasedBoolean": True}, (True, None)),
        ({"deceasedBoolean": False}, (False, None)),
        ({"deceasedDateTime": "2020"}, (True, "2020-01-01T00:00:00Z")),
    ],
)
def test_death_is_read(changes: dict[str, Any], expected: tuple[bool, str | None]) -> None:
    row = translate_patient(**changes)

    assert (row["deceased"], row["deceased_at"]) == expected


def test_death_is_not_guessed() -> None:
    error = refuse(PATIENT, deceasedBoolean="false")

    assert error.reason == "Patient.deceasedBoolean is not true or false"


@pytest.mark.parametrize(
    "extension",
    [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/patient-genderIdentity",
            "valueCodeableConcept": {"text": "non-binary"},
        },
        {
            "url": "http://hl7.org/fhir/StructureDefinition/individual-genderIdentity",
            "extension": [{"url": "value", "valueCodeableConcept": {"text": "non-binary"}}],
        },
    ],
)
def test_older_and_newer_gender_identity(extension: dict[str, Any]) -> None:
    assert translate_patient(extension=[extension])["gender_identity"] == "non-binary"


def test_condition_row() -> None:
    assert translate_fact(CONDITION) == {
        "patient_source_id": "p1",
        "type": "condition",
        "source_type": "Condition",
        "source_id": "c1",
        "component": 0,
        "parent_code": None,
        "code_system": SNOMED,
        "code": "44054006",
        "display": "T2DM",
        "other_codings": [
            {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9", "display": None}
        ],
        "category": "problem-list-item",
        "status": None,
        "clinical_status": "active",
        "verification_status": "confirmed",
        "criticality": None,
        "start_at": "2011-10-01T00:00:00Z",
        "start_precision": "month",
        "end_at": "2012-02-01T08:00:00Z",
        "end_precision": "instant",
        "recorded_at": "2011-11-05T00:00:00Z",
        "value_number": None,
        "value_code_system": None,
        "value_code": None,
        "value_text": None,
        "unit": None,
        "comparator": None,
        "encounter_source_id": None,
        "medication_source_id": None,
        "entered_in_error": False,
    }


def test_the_day_of_recording_does_not_stand_in_for_the_onset() -> None:
    fact = translate_fact(CONDITION, onsetDateTime=None, onsetAge={"value": 50})

    assert fact["start_at"] is None
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
def test_errors_of_entry_are_marked(resource: dict[str, Any], changes: dict[str, Any]) -> None:
    assert translate_fact(resource, **changes)["entered_in_error"] is True


def test_statuses_from_before_r4_are_plain_codes() -> None:
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
        (row["component"], row["parent_code"], row["code"], row["value_number"], row["unit"])
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
        ("valueCodeableConcept", concept(SNOMED, "266919005", "Never"), {"value_code": "266919005"}),
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

    assert {key: dict(fact)[key] for key in expected} == expected


def test_an_absent_value_is_no_value() -> None:
    fact = translate_fact(OBSERVATION, dataAbsentReason={"text": "refused"})

    assert (fact["value_number"], fact["value_text"]) == (None, None)


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        ({"value": float("inf")}, "Observation.valueQuantity.value is too large"),
        ({"value": 10**400}, "Observation.valueQuantity.value is too large"),
        ({"value": True}, "Observation.valueQuantity.value is not a number"),
        ({"value": 1, "comparator": "~"},
         "Observation.valueQuantity.comparator is not one of <, <=, >=, >"),
        ([1], "Observation.valueQuantity is not an object"),
    ],
)  # fmt: skip
def test_bad_quantities_are_refused(quantity: object, reason: str) -> None:
    assert refuse(OBSERVATION, valueQuantity=quantity).reason == reason


def test_a_fault_in_a_component_is_pointed_to() -> None:
    error = refuse(PRESSURE, component=[PRESSURE["component"][0], {"valueString": "x"}])

    assert error.reason == "Observation.component[1].code is missing"
    assert error.pointer == "/component/1/code"


def test_medications() -> None:
    contained, referred = translate_fact(REQUEST), translate_fact(STATEMENT)

    assert (contained["code"], contained["medication_source_id"]) == ("860975", None)
    assert (contained["category"], contained["end_at"]) == ("order", "2021-01-01T00:00:00Z")
    assert (referred["code"], referred["medication_source_id"]) == (None, "m9")
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


def test_a_prohibition_is_no_medication() -> None:
    found = translate({**REQUEST, "doNotPerform": True})

    assert found == PassedOver("MedicationRequest (do not perform)")


def test_other_facts() -> None:
    assert translate_fact(PROCEDURE)["display"] == "Appendectomy"
    assert translate_fact(PROCEDURE)["end_precision"] == "day"
    assert translate_fact(ALLERGY)["recorded_at"] == "1951-01-07T09:21:52Z"
    assert translate_fact(ALLERGY)["start_at"] is None
    assert translate_fact(IMMUNIZATION)["code_system"] == "http://hl7.org/fhir/sid/cvx"
    assert translate_fact(ENCOUNTER)["category"] == "AMB"
    assert translate_fact(ENCOUNTER)["code"] == "185349003"


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("https://snomed.info/sct/", SNOMED),
        ("http://snomed.info/sct/731000124108/version/20240301", SNOMED),
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        ("2.16.840.1.113883.6.88", RXNORM),
        ("https://www.nlm.nih.gov/research/umls/rxnorm", RXNORM),
        ("http://hl7.org/fhir/sid/icd-10-cm|2024", "http://hl7.org/fhir/sid/icd-10-cm"),
        ("urn:oid:1.2.3", "urn:oid:1.2.3"),
        ("http://example.org/codes", "http://example.org/codes"),
    ],
)
def test_systems_are_named_one_way(spelling: str, canonical: str) -> None:
    assert translate_fact(PROCEDURE, code=concept(spelling, "1"))["code_system"] == canonical


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2011-10-14T23:37:54+00:00", "2011-10-14T23:37:54Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2011-10-14T24:00:00Z", "2011-10-15T00:00:00Z"),
        ("2011-10-14T23:37:54.1234567+14:00", "2011-10-14T09:37:54.123456Z"),
        ("2011-10-14T23:37", "2011-10-14T23:37:00Z"),
        ("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_moments_are_brought_to_utc(moment: str, expected: str) -> None:
    fact = translate_fact(OBSERVATION, effectiveDateTime=moment)

    assert (fact["start_at"], fact["start_precision"]) == (expected, "instant")


@pytest.mark.parametrize(
    "moment",
    ["2011-10-14T25:00:00Z", "2011-10-14T24:01:00Z", "2011-10-14T10:61Z", "10:00", "x" * 99],
)
def test_what_is_no_moment_is_refused(moment: str) -> None:
    error = refuse(OBSERVATION, effectiveDateTime=moment)

    assert error.reason == "Observation.effectiveDateTime is not a date"


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "https://ehr.example/fhir/Patient/p1",
        "https://ehr.example/fhir/Patient/p1/_history/2",
        "urn:uuid:p1",
        "urn:oid:p1",
    ],
)
def test_references_are_followed(reference: str) -> None:
    fact = translate_fact(CONDITION, subject={"reference": reference})

    assert fact["patient_source_id"] == "p1"


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (None, "Condition.subject is missing"),
        ("Patient/p1", "Condition.subject is not an object"),
        ({"reference": 1}, "Condition.subject is not a string"),
        ({"identifier": {"value": "1"}}, "Condition.subject has no literal reference"),
        ({"reference": "Patient?identifier=a|b"},
         "Condition.subject is a search-style reference, which cannot be followed"),
        ({"reference": "Group/g"}, "Condition.subject is a Group, not a Patient"),
        ({"reference": "urn:uuid:g", "type": "Device"},
         "Condition.subject is a Device, not a Patient"),
        ({"reference": "Jane Doe/1"},
         "Condition.subject is another kind of resource, not a Patient"),
        ({"reference": "#p"}, "Condition.subject is a contained resource, which is not read"),
        ({"reference": "Patient/"}, "Condition.subject is not a usable reference"),
        ({"reference": "Patient/" + "1" * 65}, "Condition.subject is not a usable reference"),
    ],
)  # fmt: skip
def test_references_that_lead_nowhere_are_refused(subject: object, reason: str) -> None:
    assert refuse(CONDITION, subject=subject).reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "Condition.id is missing"),
        ({"id": "1" * 65}, "Condition.id is longer than 64 characters"),
        ({"code": None}, "Condition.code is missing"),
        ({"code": []}, "Condition.code is not an object"),
        ({"code": {"coding": [{"code": 1}]}}, "Condition.code.coding.code is not a string"),
        ({"code": concept(None, "1" * 129)},
         "Condition.code.coding.code is longer than 128 characters"),
        ({"resourceType": None}, "resourceType is missing"),
        ({"resourceType": "Jane Doe"}, "resourceType is not a resource type"),
    ],
)  # fmt: skip
def test_what_is_missing_or_too_long_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert refuse(CONDITION, **changes).reason == reason


def test_other_resources_are_passed_over() -> None:
    assert translate({"resourceType": "Claim"}) == PassedOver("Claim")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(
        [
            *("\0", "\ud800", "0000-00-00", "9999-12-31T23:59:60-23:59", "Patient/1", "x" * 300),
            *("entered-in-error", 10**400, -(10**30), 1e308, "2020-02-30", "urn:uuid:", "#", "?"),
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["code", "coding", "system", "value", "reference", "text", "start", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def attempt(resource: dict[str, Any]) -> Translated | ResourceError:
    try:
        return translate(resource)
    except ResourceError as error:
        return error


def find_places(value: Any) -> list[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    places = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            places += find_places(value[key])
    return places


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(EXAMPLES), st.lists(st.tuples(st.integers(0, 10**6), JSON), max_size=3))
def test_whatever_stands_in_a_resource_only_a_resource_error_comes_out(
    example: dict[str, Any], changes: list[tuple[int, Any]]
) -> None:
    resource = copy.deepcopy(example)
    for place, value in changes:
        places = find_places(resource)
        holder, key = places[place % len(places)]
        holder[key] = value

    outcome = attempt(resource)

    if isinstance(outcome, ResourceError):
        assert outcome.pointer.startswith("/")
        assert len(outcome.reason) < 200
    elif not isinstance(outcome, PassedOver):
        written = orjson.dumps(outcome)
        assert b"\\u0000" not in written
        assert json.loads(written) == json.loads(json.dumps(outcome, allow_nan=False))


def test_reasons_do_not_quote_the_content() -> None:
    secret = "Zaphod Beeblebrox"
    for example in EXAMPLES:
        for position in range(len(find_places(example))):
            resource = copy.deepcopy(example)
            holder, key = find_places(resource)[position]
            holder[key] = secret
            outcome = attempt(resource)
            if isinstance(outcome, ResourceError):
                assert "Zaphod" not in outcome.reason + outcome.pointer


def read_rows(path: Path, limit: int | None = None) -> dict[tuple[str, str, int], Any]:
    found = {}
    for part in find_parts([path]):
        for line in islice(read_resources(part), limit):
            assert line.resource is not None
            rows = translate(line.resource)
            if not isinstance(rows, PassedOver):
                for row in rows if isinstance(rows, list) else [rows]:
                    kind = line.resource["resourceType"]
                    found[kind, row["source_id"], dict(row).get("component", 0)] = row
    return found


@pytest.fixture(scope="module")
def synthea() -> dict[tuple[str, str, int], Any]:
    return read_rows(SYNTHEA)


@needs_synthea
def test_615_patients_give_the_counts_of_an_independent_pass(
    synthea: dict[tuple[str, str, int], Any],
) -> None:
    golden = orjson.loads((FHIR / "synthea_615_golden_counts.json").read_bytes())["counts"]
    as_of = "2021-04-01T00:00:00Z"
    patients = {row["source_id"]: row for key, row in synthea.items() if key[0] == "Patient"}
    alive = {key for key, row in patients.items() if not row["deceased"]}
    values: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    having: dict[str, set[str]] = defaultdict(set)
    on_metformin: dict[str | None, set[str]] = defaultdict(set)
    for row in synthea.values():
        if row.get("type") == "observation" and row["start_at"] <= as_of:
            if row["value_number"] is not None:
                values[row["code"]][row["patient_source_id"]].append(row)
        elif row.get("type") == "condition" and row["start_at"] <= as_of:
            having[row["code"]].add(row["patient_source_id"])
        elif row.get("type") == "medication" and "metformin" in row["display"].lower():
            on_metformin[row["status"]].add(row["patient_source_id"])

    def latest(code: str) -> dict[str, float]:
        return {patient: newest(found)["value_number"] for patient, found in values[code].items()}

    def newest(rows: list[Any]) -> Any:
        """Break ties by id, the least first: four patients have two eGFR of one moment."""
        by_id = sorted(rows, key=lambda row: row["source_id"])
        return max(by_id, key=lambda row: (row["start_at"], row["recorded_at"]))

    def is_adult(patient: str) -> bool:
        born = patients[patient]["birth_date"]
        return 18 <= 2021 - int(born[:4]) - (born[5:] > "04-01") <= 75

    hba1c, systolic, egfr, bmi = (
        latest(code) for code in ("4548-4", "8480-6", "33914-3", "39156-5")
    )
    assert golden == {
        "patients": len(patients),
        "alive": len(alive),
        "alive_age_18_75": sum(map(is_adult, alive)),
        "alive_female": sum(patients[key]["sex"] == "female" for key in alive),
        "have_hba1c_4548-4": len(hba1c),
        "hba1c_latest_ge_6.5": sum(value >= 6.5 for value in hba1c.values()),
        "hba1c_latest_7_to_10_alive": sum(7 <= hba1c[key] <= 10 for key in alive & hba1c.keys()),
        "hba1c_in_last_365d": sum(
            newest(rows)["start_at"] >= "2020-04-01" for rows in values["4548-4"].values()
        ),
        "have_sbp": len(systolic),
        "sbp_latest_ge_140_alive": sum(systolic[key] >= 140 for key in alive & systolic.keys()),
        "have_egfr_33914-3": len(egfr),
        "egfr_latest_lt_60_alive": sum(egfr[key] < 60 for key in alive & egfr.keys()),
        "have_bmi": len(bmi),
        "bmi_latest_ge_30_alive": sum(bmi[key] >= 30 for key in alive & bmi.keys()),
        "cond_diabetes_44054006_alive": len(alive & having["44054006"]),
        "cond_hypertension_38341003_alive": len(alive & having["38341003"]),
        "cond_prediabetes_15777000_alive": len(alive & having["15777000"]),
        "cond_afib_49436004_alive": len(alive & having["49436004"]),
        "cond_chd_53741008_alive": len(alive & having["53741008"]),
        "ever_metformin": len(set().union(*on_metformin.values())),
        "active_metformin": len(on_metformin["active"]),
    }


@needs_synthea
@needs_bundles
def test_bundles_and_ndjson_give_the_same_rows(synthea: dict[tuple[str, str, int], Any]) -> None:
    rows = read_rows(BUNDLES, limit=5_000)

    assert len({key for key in rows if key[0] == "Patient"}) >= 15
    assert rows == {key: synthea[key] for key in rows}


@needs_bulk
def test_a_real_export_reads_without_fault() -> None:
    rows = read_rows(BULK)

    counts: dict[str, int] = defaultdict(int)
    for kind, _, _ in rows:
        counts[kind] += 1
    assert (counts["Patient"], counts["Condition"], counts["MedicationRequest"]) == (13, 555, 1745)
