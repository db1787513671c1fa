"""The media types of uploads."""

from collections.abc import Mapping
from typing import Any

import orjson

_PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Lindqvist", "given": ["Mei"]}],
    "gender": "female",
    "birthDate": "1961-07-23",
}
_CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
    "onsetDateTime": "2019-05-14",
}
_JSON = {
    "schema": {
        "type": "object",
        "description": "A FHIR R4 Bundle, or one FHIR R4 resource.",
        "additionalProperties": True,
    },
    "example": {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": _PATIENT}, {"resource": _CONDITION}],
    },
}
_LINES = {
    "schema": {"type": "string", "description": "FHIR R4 resources, one in JSON on each line."},
    "example": "".join(f"{orjson.dumps(one).decode()}\n" for one in (_PATIENT, _CONDITION)),
}
_FILE = {
    "schema": {
        "type": "string",
        "format": "binary",
        "description": "A Bundle or NDJSON file, which may be compressed (gzip, xz, bzip2), or an"
        " archive of them (ZIP, tar).",
    }
}
_TABLE = {
    "schema": {"type": "string", "description": "A table with a header. `kind` says what it is."},
    "example": "patient;loinc;value;unit;date\np1;718-7;13.5;g/dL;2024-03-04\n",
}
_MESSAGES = {
    "schema": {"type": "string", "description": "HL7 v2 messages: ADT and ORU."},
    "example": "MSH|^~\\&|ADT|HOSP|||20240304103000+0100||ADT^A04|1|P|2.5\r"
    "PID|1||123^^^HOSP^MR||Lindqvist^Mei||19610723|F\r",
}
TABLE_TYPES = frozenset({"text/csv", "text/tab-separated-values"})
HL7V2_TYPES = frozenset({"application/hl7-v2", "x-application/hl7-v2+er7"})
MEDIA_TYPES: Mapping[str, Mapping[str, Any]] = {
    "application/fhir+json": _JSON,
    "application/fhir+ndjson": _LINES,
    "application/json": _JSON,
    "application/ndjson": _LINES,
    "application/x-ndjson": _LINES,
    "application/gzip": _FILE,
    "application/x-gzip": _FILE,
    "application/zip": _FILE,
    "application/octet-stream": _FILE,
    **dict.fromkeys(sorted(TABLE_TYPES), _TABLE),
    **dict.fromkeys(sorted(HL7V2_TYPES), _MESSAGES),
}
"""The media types of an upload, each with its schema and example."""
