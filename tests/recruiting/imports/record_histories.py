"""Patients and conditions of servers, in versions."""

from typing import Any

import orjson

from tests.recruiting.imports.fhir_examples import SNOMED, concept
from tests.recruiting.imports.importing import Importer
from tests.recruiting.imports.reading.files import bundle

MRN_SYSTEM = "http://st-arden.example/mrn"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def numbered(value: str, system: str | None = MRN_SYSTEM, code: str = "MR") -> dict[str, Any]:
    """Return an identifier."""
    kind = concept("http://terminology.hl7.org/CodeSystem/v2-0203", code)
    return {"type": kind, "system": system, "value": value}


def person(source_id: str, mrn: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": source_id,
        "identifier": [numbered(mrn or f"M-{source_id}")],
        "name": [{"use": "official", "family": "Quill", "given": ["Nora"]}],
        "gender": "female",
        "birthDate": "1961-04-09",
        **more,
    }


def diagnosis(source_id: str, patient: str, code: str = "44054006", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": source_id,
        "code": concept(SNOMED, code),
        "subject": {"reference": f"Patient/{patient}"},
        "onsetDateTime": "2014-05-02",
        **more,
    }


def version(number: object = None, at: str | None = None) -> dict[str, Any]:
    """Return the `meta` of a version."""
    meta = {"versionId": number, "lastUpdated": at}
    return {"meta": {name: value for name, value in meta.items() if value is not None}}


def verified(status: str) -> dict[str, Any]:
    return {"verificationStatus": concept(VERIFICATION, status)}


def replaced_by(source_id: str) -> dict[str, Any]:
    link = {"type": "replaced-by", "other": {"reference": f"Patient/{source_id}"}}
    return {"active": False, "link": [link]}


def replaces(source_id: str) -> dict[str, Any]:
    return {"link": [{"type": "replaces", "other": {"reference": f"Patient/{source_id}"}}]}


def entry(resource: dict[str, Any], base: str | None = None) -> dict[str, Any]:
    """Return a Bundle's entry, with the full URL of a server."""
    path = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource} | ({"fullUrl": f"{base}/{path}"} if base else {})


def deletion(reference: str, base: str | None = None, **response: Any) -> dict[str, Any]:
    """Return a Bundle's entry that deletes a resource."""
    deleted: dict[str, Any] = {"request": {"method": "DELETE", "url": reference}}
    if base:
        deleted["fullUrl"] = f"{base}/{reference}"
    return deleted | ({"response": response} if response else {})


def bundle_of(*entries: dict[str, Any], kind: str = "collection") -> bytes:
    return orjson.dumps(bundle(*entries, type=kind))


def empty(importer: Importer) -> Importer:
    """Delete what earlier tests of a module imported into its tenant."""
    for table in ("import_job", "waiting_fact", "record_deletion", "record_source", "patient"):
        importer.query(f"DELETE FROM {table}")
    return importer
