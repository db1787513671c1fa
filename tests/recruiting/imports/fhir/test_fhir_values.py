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
    ("reference", "key"),
    [
        ("Patient/p1", "p1"),
        ("https://ehr.example/fhir/Patient/p1", "https://ehr.example/fhir/Patient/p1"),
        ("https://ehr.example/fhir/Patient/p1/_history/2", "https://ehr.example/fhir/Patient/p1"),
        ("urn:uuid:p1", "p1"),
        ("urn:oid:p1", "p1"),
    ],
)
def test_references_are_read(reference: str, key: str) -> None:
    fact = translate_fact(CONDITION, subject={"reference": reference})

    assert fact["patient_source_id"] == key


def identified(system: str | None, value: str, kind: str = "MR") -> dict[str, object]:
    coding = {"code": kind}
    return {"system": system, "value": value, "type": {"coding": [coding]}}


def contained(*identifiers: dict[str, object], kind: str = "Patient") -> dict[str, object]:
    return {"resourceType": kind, "id": "pt", "identifier": list(identifiers)}


@pytest.mark.parametrize(
    ("subject", "inside", "key"),
    [
        ({"identifier": identified("urn:mrn", "7")}, (), "?urn:mrn|7"),
        ({"identifier": identified(None, "7"), "type": "Patient"}, (), "?|7"),
        ({"identifier": identified("urn:mrn", "7"), "reference": "Patient/p1"}, (), "p1"),
        ({"reference": "Patient?identifier=urn:mrn|7"}, (), "?urn:mrn|7"),
        ({"reference": "Patient?identifier=urn%3Amrn%7C7"}, (), "?urn:mrn|7"),
        ({"reference": "https://a.example/Patient?identifier=7"}, (), "?|7"),
        ({"reference": r"Patient?identifier=urn:mrn|a\,b"}, (), "?urn:mrn|a,b"),
        ({"reference": "Patient?_id=p1"}, (), "p1"),
        (
            {"reference": "#pt"},
            [contained(identified("urn:ssn", "1", "SS"), identified("urn:mrn", "7"))],
            "?urn:mrn|7",
        ),
    ],
)
def test_a_reference_may_name_an_identifier(subject: object, inside: object, key: str) -> None:
    fact = translate_fact(CONDITION, subject=subject, contained=inside)

    assert fact["patient_source_id"] == key


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        (contained(), "Condition.subject refers to a contained Patient that has no identifier."),
        (contained(kind="Group"), "Condition.subject refers to Group, not to Patient."),
    ],
)
def test_a_contained_subject_needs_an_identifier(inside: object, reason: str) -> None:
    error = reject(CONDITION, subject={"reference": "#pt"}, contained=[inside])

    assert (error.reason, error.code) == (reason, "invalid_reference")


@pytest.mark.parametrize("others", [("urn:a:1", "urn:b:1"), ("urn:x:" + "1" * 80, "urn:x:1")])
def test_urns_that_are_not_unique_do_not_become_one_id(others: tuple[str, str]) -> None:
    ids = {
        translate_fact(CONDITION, subject={"reference": urn})["patient_source_id"] for urn in others
    }

    assert len(ids) == 2


NO_REFERENCE = "Condition.subject has neither a literal reference nor an identifier with a value."
NO_CONDITION = "Condition.subject is a conditional reference by something else than one identifier."
NO_ID = "Condition.subject does not end in an id of 1 to 64 letters, digits, hyphens and dots."


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (None, "Condition.subject is missing."),
        ("Patient/p1", "Condition.subject is not an object."),
        ({"reference": 1}, "Condition.subject is not a string."),
        ({"display": "Jane"}, NO_REFERENCE),
        ({"identifier": {"system": "a"}}, "Condition.subject.identifier has no value."),
        ({"identifier": {"value": "1"}, "type": "Group"},
         "Condition.subject refers to Group, not to Patient."),
        *(({"reference": f"Patient?{query}"}, NO_CONDITION)
          for query in ("", "name=J", "identifier=a|b&name=J", "identifier=a|b,a|c", "_id=_")),
        ({"reference": "Group?identifier=a|b"},
         "Condition.subject refers to Group, not to Patient."),
        ({"reference": "p1"}, "Condition.subject is not a reference of the form Patient/id."),
        ({"reference": "Patient/"}, "Condition.subject is not a reference of the form Patient/id."),
        ({"reference": "Group/g"}, "Condition.subject refers to Group, not to Patient."),
        ({"reference": "urn:uuid:g", "type": "Device"},
         "Condition.subject refers to Device, not to Patient."),
        ({"reference": "Jane Doe/1"},
         "Condition.subject refers to another resource type, not to Patient."),
        ({"reference": "#p"},
         "Condition.subject refers to a contained resource that is not there."),
        *(({"reference": f"Patient/{wrong}"}, NO_ID)
          for wrong in ("1" * 65, "a b", "a_b", "<b>", "é")),
        ({"reference": "Patient/a\0b"}, "Condition.subject has control characters."),
    ],
)  # fmt: skip
def test_invalid_references_are_rejected(subject: object, reason: str) -> None:
    assert reject(CONDITION, subject=subject).reason == reason
