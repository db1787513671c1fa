"""Translate a FHIR resource into rows."""

from collections.abc import Callable
from typing import Any

from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.imports.fhir.documents import (
    translate_binary,
    translate_composition,
    translate_diagnostic_report,
    translate_document_reference,
)
from trially.recruiting.imports.fhir.facts import (
    translate_allergy,
    translate_condition,
    translate_encounter,
    translate_immunization,
    translate_procedure,
)
from trially.recruiting.imports.fhir.medications import (
    translate_administration,
    translate_dispense,
    translate_medication,
    translate_medication_request,
    translate_medication_statement,
)
from trially.recruiting.imports.fhir.modifiers import PARTS, without_modified_parts
from trially.recruiting.imports.fhir.observations import translate_observation
from trially.recruiting.imports.fhir.patients import translate_patient
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.resource_types import RESOURCE_TYPES
from trially.recruiting.imports.fhir.rows import (
    IgnoredResource,
    ResourceError,
    Translated,
)
from trially.recruiting.imports.fhir.values import is_id
from trially.recruiting.imports.fhir.versions import to_r4

TRANSLATORS: dict[str, Callable[[dict[str, Any], Reading], Translated]] = {
    "AllergyIntolerance": translate_allergy,
    "Binary": translate_binary,
    "Composition": translate_composition,
    "Condition": translate_condition,
    "DiagnosticReport": translate_diagnostic_report,
    "DocumentReference": translate_document_reference,
    "Encounter": translate_encounter,
    "Immunization": translate_immunization,
    "Medication": translate_medication,
    "MedicationAdministration": translate_administration,
    "MedicationDispense": translate_dispense,
    "MedicationOrder": translate_medication_request,
    "MedicationRequest": translate_medication_request,
    "MedicationStatement": translate_medication_statement,
    "Observation": translate_observation,
    "Patient": translate_patient,
    "Procedure": translate_procedure,
}


IMPORTED_TYPES = frozenset(TRANSLATORS)
"""The types of resources that are imported."""


def translate(resource: dict[str, Any], reading: Reading | None = None) -> Translated:
    """Return the rows of a resource, or an `IgnoredResource` for a type that is not imported.

    An element that cannot be read is left out, and added to `reading.faults`. Raises
    `ResourceError`, and no other error, for a resource that has no valid rows.
    """
    kind = resource.get("resourceType")
    if kind is None:
        raise ResourceError("resourceType", "is missing", FaultCode.INVALID_RESOURCE_TYPE)
    # Imports show the names of ignored types to all members: any other value could be PHI.
    if type(kind) is not str or kind not in RESOURCE_TYPES:
        raise ResourceError(
            "resourceType", "is not the name of a resource type", FaultCode.INVALID_RESOURCE_TYPE
        )
    translator = TRANSLATORS.get(kind)
    if translator is None:
        return IgnoredResource(kind)
    version, current = to_r4(resource)
    reading = reading or Reading()
    try:
        if current.get("modifierExtension"):
            _refuse_modifiers(kind, reading)
        if not PARTS.isdisjoint(current):
            current = without_modified_parts(current, reading)
        return translator(current, reading)
    except ResourceError as error:
        if version is not None:
            error.add_version(version)
        raise


def name_resource(resource: object) -> tuple[str | None, str | None]:
    """Return the type and the id of a resource, as far as they are valid. Others could be PHI."""
    if type(resource) is not dict:
        return None, None
    kind, resource_id = resource.get("resourceType"), resource.get("id")
    is_type = type(kind) is str and kind in RESOURCE_TYPES
    return kind if is_type else None, resource_id if is_id(resource_id) else None


def _refuse_modifiers(kind: str, reading: Reading) -> None:
    """Refuse a record with modifier extensions: they may turn it into its opposite.

    A Patient is kept, because all records about the patient would be lost as well.
    """
    where, problem = f"{kind}.modifierExtension", "may change what the resource means"
    if kind != "Patient":
        raise ResourceError(where, problem)
    reading.lose(where, problem)
