"""Translate a FHIR R4 resource into rows."""

import re
from collections.abc import Callable
from typing import Any

from trially.recruiting.imports.fhir.facts import (
    translate_allergy,
    translate_condition,
    translate_encounter,
    translate_immunization,
    translate_procedure,
)
from trially.recruiting.imports.fhir.medications import (
    translate_medication,
    translate_medication_request,
    translate_medication_statement,
)
from trially.recruiting.imports.fhir.observations import translate_observation
from trially.recruiting.imports.fhir.patients import translate_patient
from trially.recruiting.imports.fhir.rows import (
    IgnoredResource,
    ResourceError,
    Translated,
)

_TRANSLATORS: dict[str, Callable[[dict[str, Any]], Translated]] = {
    "AllergyIntolerance": translate_allergy,
    "Condition": translate_condition,
    "Encounter": translate_encounter,
    "Immunization": translate_immunization,
    "Medication": translate_medication,
    "MedicationRequest": translate_medication_request,
    "MedicationStatement": translate_medication_statement,
    "Observation": translate_observation,
    "Patient": translate_patient,
    "Procedure": translate_procedure,
}
# Only a name of this form is shown to users: any other value of `resourceType` could be PHI.
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{2,39}")


def translate(resource: dict[str, Any]) -> Translated:
    """Return the rows of a resource, or an `IgnoredResource` for a type that is not imported.

    Raises `ResourceError`, and no other error, for a resource that has no valid rows.
    """
    kind = resource.get("resourceType")
    if kind is None:
        raise ResourceError("resourceType", "is missing")
    if type(kind) is not str or not _TYPE_NAME.fullmatch(kind):
        raise ResourceError("resourceType", "is not the name of a resource type")
    translator = _TRANSLATORS.get(kind)
    return IgnoredResource(kind) if translator is None else translator(resource)
