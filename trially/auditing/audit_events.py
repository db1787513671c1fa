"""Audit records as FHIR R4 AuditEvent resources, in a Bundle."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from flask import Response

from trially.audit.forms import Action
from trially.database.rows import Item

FHIR_TYPE = "application/fhir+json"

_HL7 = "http://terminology.hl7.org/CodeSystem"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"

_ACTIONS = {
    Action.READ: ("R", "read"),
    Action.SEARCH: ("E", "search-type"),
    Action.CREATE: ("C", "create"),
    Action.UPDATE: ("U", "update"),
    Action.DELETE: ("D", "delete"),
    Action.EXPORT: ("R", None),
    Action.IMPORT: ("C", None),
    Action.REFUSE: ("E", None),
    Action.OPERATE: ("E", None),
}
"""FHIR's code of each action, and of the interaction of its REST API, if there is one."""

_CLIENT_ERRORS, _SERVER_ERRORS = 400, 500


def bundle_response(entries: Sequence[Item], *, self_url: str, next_url: str | None) -> Response:
    """Return the answer with a page of the log as a Bundle."""
    links = [{"relation": "self", "url": self_url}]
    if next_url is not None:
        links.append({"relation": "next", "url": next_url})
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": links,
        "entry": [
            {
                "fullUrl": f"urn:uuid:{entry['id']}",
                "resource": audit_event(entry),
                "search": {"mode": "match"},
            }
            for entry in entries
        ],
    }
    if not entries:
        del bundle["entry"]  # FHIR has no empty lists
    return Response(orjson.dumps(bundle), content_type=FHIR_TYPE)


def audit_event(entry: Item) -> dict[str, Any]:
    """Return a record as an AuditEvent."""
    action, interaction = _ACTIONS[Action(entry["action"])]
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(entry["id"]),
        "type": _type_of(entry),
        "action": action,
        "recorded": entry["at"].isoformat(),
        "outcome": _outcome(entry["outcome"]),
        "purposeOfEvent": [
            {"coding": [{"system": f"{_HL7}/v3-ActReason", "code": entry["purpose"]}]}
        ],
        "agent": list(_agents(entry)),
        "source": {
            "observer": {"display": "trially"},
            "type": [{"system": f"{_HL7}/security-source-type", "code": "4"}],
        },
        "entity": [_route(entry), *_patients(entry)],
    }
    if interaction is not None:
        event["subtype"] = [
            {"system": "http://hl7.org/fhir/restful-interaction", "code": interaction}
        ]
    return event


def _type_of(entry: Item) -> dict[str, str]:
    if entry["outcome"] is None:
        return {"system": _DICOM, "code": "110100", "display": "Application Activity"}
    return {"system": f"{_HL7}/audit-event-type", "code": "rest", "display": "RESTful Operation"}


def _outcome(status: int | None) -> str:
    if status is None or status < _CLIENT_ERRORS:
        return "0"
    return "4" if status < _SERVER_ERRORS else "8"


def _agents(entry: Item) -> Iterator[dict[str, Any]]:
    member, operator = entry["member"], entry["operator"]
    if member is not None:
        agent: dict[str, Any] = {
            "who": {"identifier": {"value": str(member["id"])}},
            "requestor": operator is None,
        }
        if member["name"]:
            agent["name"] = member["name"]
        if member["role"]:
            agent["role"] = [{"text": member["role"]}]
        yield agent
    if operator is not None:
        yield {"who": {"identifier": {"value": operator}}, "requestor": True}
    if member is None and operator is None:
        yield {"who": {"display": "Unknown caller"}, "requestor": True}


def _route(entry: Item) -> dict[str, Any]:
    details = [{"type": "request", "valueString": entry["request_id"]}]
    details += [{"type": "field", "valueString": name} for name in entry["fields_shown"]]
    details += [
        {"type": "changed", "valueString": f"{change['table']}.{column}"}
        for change in entry["changes"]
        for column in change["columns"]
    ]
    return {
        "type": {"system": f"{_HL7}/audit-entity-type", "code": "2", "display": "System Object"},
        "name": entry["route"],
        "detail": details,
    }


def _patients(entry: Item) -> Iterator[dict[str, Any]]:
    for patient_id in entry["patients"]:
        yield _patient({"reference": f"Patient/{patient_id}"})
    for pseudonym in entry["erased_patients"]:
        yield _patient({"display": f"Erased patient {pseudonym}"})


def _patient(what: dict[str, str]) -> dict[str, Any]:
    return {
        "what": what,
        "type": {"system": f"{_HL7}/audit-entity-type", "code": "1", "display": "Person"},
        "role": {"system": f"{_HL7}/object-role", "code": "1", "display": "Patient"},
    }
