"""Code systems, dates and references."""

import pytest

from tests.recruiting.imports.fhir_examples import (
    CONDITION,
    LOINC,
    OBSERVATION,
    PROCEDURE,
    RXNORM,
    SNOMED,
    concept,
    fault_of,
    reject,
    translate_fact,
)


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
def test_urls_of_systems_are_brought_to_one_form(spelling: str, canonical: str) -> None:
    assert translate_fact(PROCEDURE, code=concept(spelling, "1"))["code_system"] == canonical


@pytest.mark.parametrize(
    ("time", "expected"),
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
def test_times_are_converted_to_utc(time: str, expected: str) -> None:
    fact = translate_fact(OBSERVATION, effectiveDateTime=time)

    assert (fact["start_at"], fact["start_precision"]) == (expected, "instant")


@pytest.mark.parametrize(
    "time",
    ["2011-10-14T25:00:00Z", "2011-10-14T24:01:00Z", "2011-10-14T10:61Z", "10:00", "x" * 99],
)
def test_an_invalid_time_is_left_out(time: str) -> None:
    error = fault_of(OBSERVATION, effectiveDateTime=time)

    assert error.reason == "Observation.effectiveDateTime is not a date."


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
def test_references_are_read(reference: str) -> None:
    fact = translate_fact(CONDITION, subject={"reference": reference})

    assert fact["patient_source_id"] == "p1"


NO_ID = "Condition.subject does not end in an id of 1 to 64 letters, digits, hyphens and dots."


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (None, "Condition.subject is missing."),
        ("Patient/p1", "Condition.subject is not an object."),
        ({"reference": 1}, "Condition.subject is not a string."),
        ({"identifier": {"value": "1"}}, "Condition.subject has no literal reference."),
        ({"reference": "Patient?identifier=a|b"},
         "Condition.subject is a conditional reference, which is not supported."),
        ({"reference": "Group/g"}, "Condition.subject refers to Group, not to Patient."),
        ({"reference": "urn:uuid:g", "type": "Device"},
         "Condition.subject refers to Device, not to Patient."),
        ({"reference": "Jane Doe/1"},
         "Condition.subject refers to another resource type, not to Patient."),
        ({"reference": "#p"},
         "Condition.subject refers to a contained resource, which is not supported."),
        *(({"reference": f"Patient/{wrong}"}, NO_ID)
          for wrong in ("", "1" * 65, "a b", "a_b", "<b>", "é")),
        ({"reference": "Patient/a\0b"}, "Condition.subject has control characters."),
    ],
)  # fmt: skip
def test_invalid_references_are_rejected(subject: object, reason: str) -> None:
    assert reject(CONDITION, subject=subject).reason == reason
