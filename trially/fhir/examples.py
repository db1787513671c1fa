"""Media types of the FHIR routes, with schemas and examples for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from trially.exports.fhir.elements import Json
from trially.fhir.responses import FHIR_TYPE

Media = Mapping[str, Mapping[str, Any]]

_STUDY: Json = {
    "resourceType": "ResearchStudy",
    "id": "0192f0c1-7b3e-7cc1-9f53-2f6d2f1d7a10",
    "identifier": [{"type": {"text": "Protocol number"}, "value": "T2D-301"}],
    "title": "Once-weekly insulin in type 2 diabetes",
    "status": "active",
    "condition": [{"text": "Type 2 diabetes"}],
    "enrollment": [{"reference": "Group/0192f0c1-7b3e-7cc1-9f53-2f6d2f1d7a10-1"}],
}
_PATIENT: Json = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"resource": {"resourceType": "Patient", "id": "p1", "birthDate": "1961-07-23"}},
        {
            "resource": {
                "resourceType": "Condition",
                "id": "c1",
                "subject": {"reference": "Patient/p1"},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
            }
        },
    ],
}


def media_of(kind: str, example: Json | None = None) -> Media:
    """Return the media type of an answer that is a resource of a type."""
    return {
        FHIR_TYPE: {
            "schema": {
                "type": "object",
                "description": f"A FHIR R4 {kind}.",
                "properties": {"resourceType": {"const": kind}},
                "required": ["resourceType"],
                "additionalProperties": True,
            },
            "example": example or {"resourceType": kind},
        }
    }


STUDY = media_of("ResearchStudy", _STUDY)
GROUP = media_of("Group", {"resourceType": "Group", "type": "person", "actual": False})
LIBRARY = media_of("Library")
REPORT = media_of("MeasureReport")
CAPABILITIES = media_of("CapabilityStatement")
SEARCHSET = media_of(
    "Bundle",
    {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": _STUDY}]},
)
MATCHES = media_of(
    "Bundle",
    {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": _STUDY, "search": {"mode": "match", "score": 1.0}}],
    },
)
_BODY = {
    "type": "object",
    "description": "A FHIR R4 Bundle or Parameters with one patient's resources.",
    "additionalProperties": True,
}
_WRAPPED = {
    "type": "object",
    "description": "The same, as the member `patientData`.",
    "additionalProperties": True,
}
PATIENT_BODIES: Media = {
    FHIR_TYPE: {"schema": _BODY, "example": _PATIENT},
    "application/json": {"schema": _WRAPPED, "example": {"patientData": _PATIENT}},
}
"""Bodies of `getClinicalTrial`. Both forms are accepted with both media types."""
