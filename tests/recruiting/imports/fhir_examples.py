"""Examples of FHIR resources, and short ways to translate them."""

from typing import Any

import pytest

from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    FactRow,
    IgnoredResource,
    PatientRow,
    ResourceError,
)
from trially.recruiting.imports.fhir.translating import translate

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
PRESSURE: dict[str, Any] = {
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
EXAMPLES: list[dict[str, Any]] = [
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


def make_patient(number: int, **changes: Any) -> dict[str, Any]:
    return {**PATIENT, "id": f"p{number}", "identifier": [{"value": f"M{number}"}], **changes}


def make_observation(number: int, patient: int, **changes: Any) -> dict[str, Any]:
    subject = {"reference": f"Patient/p{patient}"}
    return {**OBSERVATION, "id": f"o{number}", "subject": subject, **changes}


def translate_fact(resource: dict[str, Any], **changes: object) -> FactRow:
    rows = translate({**resource, **changes})
    assert isinstance(rows, list)
    return rows[0]


def translate_patient(**changes: object) -> PatientRow:
    row = translate({**PATIENT, **changes})
    assert isinstance(row, dict)
    assert "mrn" in row
    return row


def fault_of(resource: dict[str, Any], **changes: object) -> ResourceError:
    """Return the one element of a resource that cannot be read; the rest of it is kept."""
    reading = Reading()
    assert not isinstance(translate({**resource, **changes}, reading), IgnoredResource)
    (fault,) = reading.faults
    return fault


def reject(resource: dict[str, Any], **changes: object) -> ResourceError:
    with pytest.raises(ResourceError) as caught:
        translate({**resource, **changes})
    return caught.value
