"""Choose how a row becomes a resource, and write resources as lines of JSON."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from trially.exports.fhir.elements import Json, Row
from trially.exports.fhir.facts import (
    write_allergy,
    write_condition,
    write_encounter,
    write_immunization,
    write_procedure,
)
from trially.exports.fhir.medications import (
    write_administration,
    write_dispense,
    write_request,
    write_statement,
)
from trially.exports.fhir.observations import write_observation

_WRITERS: Mapping[str, Callable[[Row], Json]] = {
    "AllergyIntolerance": write_allergy,
    "Condition": write_condition,
    "Encounter": write_encounter,
    "Immunization": write_immunization,
    "MedicationAdministration": write_administration,
    "MedicationDispense": write_dispense,
    "MedicationOrder": write_request,
    "MedicationRequest": write_request,
    "MedicationStatement": write_statement,
    "Procedure": write_procedure,
}

FACT_TYPES = (*(name for name in _WRITERS if name != "MedicationOrder"), "Observation")
"""The types of resources that facts are written as."""


def write_fact(facts: Sequence[Row]) -> Json:
    """Return the resource of a fact, with the components that follow it."""
    kind = facts[0]["source_type"]
    return write_observation(facts) if kind == "Observation" else _WRITERS[kind](facts[0])


def as_line(resource: Json, base_url: str = "") -> bytes:
    """Return a resource as a line of JSON.

    A resource whose id another server has assigned is in a Bundle that names the server.
    """
    if base_url:
        full_url = f"{base_url}/{resource['resourceType']}/{resource['id']}"
        entry = {"fullUrl": full_url, "resource": resource}
        resource = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    return orjson.dumps(resource, default=_write_number, option=orjson.OPT_APPEND_NEWLINE)


def _write_number(value: Any) -> Any:
    """Return a `Decimal` with all its digits: in FHIR, 1.10 is more precise than 1.1."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} is not written as JSON.")
