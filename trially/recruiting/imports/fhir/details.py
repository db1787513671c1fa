"""Read the elements of a record that have no column of their own: `ClinicalFact.details`."""

from typing import Any

from trially.recruiting.imports.fhir.detail_readers import (
    Describe,
    describe_all,
    describe_amount,
    describe_categories,
    describe_diagnoses,
    describe_discharge,
    describe_evidence,
    describe_flag,
    describe_interpretations,
    describe_locations,
    describe_members,
    describe_notes,
    describe_one,
    describe_reactions,
    describe_references,
    describe_series,
    describe_special_ranges,
    describe_stages,
    describe_supply,
    describe_text,
    is_bare,
)
from trially.recruiting.imports.fhir.dosages import describe_dosages
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import FactRow
from trially.recruiting.imports.fhir.values import Json

_REASONS: dict[str, tuple[str, Describe]] = {
    "reasonCode": ("reason", describe_all),
    "reasonReference": ("reason_reference", describe_references),
    "note": ("note", describe_notes),
}
_MEDICATION: dict[str, tuple[str, Describe]] = {
    **_REASONS,
    "statusReason": ("status_reason", describe_all),
    "category": ("categories", describe_categories),
}

DETAILS: dict[str, dict[str, tuple[str, Describe]]] = {
    "AllergyIntolerance": {
        "type": ("type", describe_all),
        "category": ("categories", describe_all),
        "lastOccurrence": ("last_occurrence", describe_text),
        "reaction": ("reaction", describe_reactions),
        "note": ("note", describe_notes),
    },
    "Condition": {
        "category": ("categories", describe_categories),
        "severity": ("severity", describe_one),
        "bodySite": ("body_site", describe_all),
        "stage": ("stage", describe_stages),
        "evidence": ("evidence", describe_evidence),
        "note": ("note", describe_notes),
    },
    "Encounter": {
        "class": ("class", describe_one),
        "type": ("type", describe_all),
        "serviceType": ("service_type", describe_one),
        "priority": ("priority", describe_one),
        "reasonCode": ("reason", describe_all),
        "reasonReference": ("reason_reference", describe_references),
        "diagnosis": ("diagnosis", describe_diagnoses),
        "hospitalization": ("discharge", describe_discharge),
        "location": ("location", describe_locations),
    },
    "Immunization": {
        **_REASONS,
        "statusReason": ("status_reason", describe_all),
        "site": ("body_site", describe_all),
        "route": ("route", describe_one),
        "doseQuantity": ("quantity", describe_amount),
        "lotNumber": ("lot_number", describe_text),
        "isSubpotent": ("is_subpotent", describe_flag),
        "reaction": ("reaction", describe_reactions),
        "protocolApplied": ("series", describe_series),
    },
    "MedicationAdministration": {**_MEDICATION, "dosage": ("dosage", describe_dosages)},
    "MedicationDispense": {
        **_MEDICATION,
        "statusReasonCodeableConcept": ("status_reason", describe_all),
        "type": ("type", describe_all),
        "quantity": ("quantity", describe_amount),
        "daysSupply": ("days_supply", describe_amount),
        "dosageInstruction": ("dosage", describe_dosages),
    },
    "MedicationRequest": {
        **_MEDICATION,
        "priority": ("priority", describe_one),
        "courseOfTherapyType": ("course_of_therapy", describe_one),
        "dosageInstruction": ("dosage", describe_dosages),
        "dispenseRequest": ("supply", describe_supply),
        "reportedBoolean": ("is_reported", describe_flag),
    },
    "MedicationStatement": {**_MEDICATION, "dosage": ("dosage", describe_dosages)},
    "Observation": {
        "category": ("categories", describe_categories),
        "dataAbsentReason": ("absent_reason", describe_one),
        "interpretation": ("interpretation", describe_interpretations),
        "bodySite": ("body_site", describe_all),
        "method": ("method", describe_one),
        "referenceRange": ("reference_ranges", describe_special_ranges),
        "hasMember": ("members", describe_members),
        "derivedFrom": ("derived_from", describe_members),
        "specimen": ("specimen", describe_references),
        "note": ("note", describe_notes),
    },
    "Procedure": {
        **_REASONS,
        "category": ("categories", describe_categories),
        "statusReason": ("status_reason", describe_all),
        "bodySite": ("body_site", describe_all),
        "outcome": ("outcome", describe_one),
        "complication": ("complication", describe_all),
        "followUp": ("follow_up", describe_all),
        "usedCode": ("used", describe_all),
        "location": ("location", describe_references),
    },
}
"""By type and element: the key in the details, and the function that reads the element."""

DETAILS["MedicationOrder"] = DETAILS["MedicationRequest"]


_PRIMITIVES = frozenset({bool, float, int, str})


def set_details(fact: FactRow, resource: Json, reading: Reading) -> None:
    """Set the details of a fact from the elements of its resource, or of its component."""
    kind = fact["source_type"]
    elements = DETAILS[kind]
    present = elements.keys() & resource.keys()
    if not present:
        return
    details = fact.get("details") or {}
    for element in sorted(present):
        key, describe = elements[element]
        value = resource[element]
        detail = describe(value, f"{kind}.{element}", reading) if value is not None else None
        if detail is None and type(value) in _PRIMITIVES and value != "":
            reading.lose(f"{kind}.{element}", "is not an object")
        if detail is not None and not _is_in_columns(fact, key, detail):
            details[key] = detail
    if details:
        fact["details"] = details


def _is_in_columns(fact: FactRow, key: str, detail: Any) -> bool:
    """Return whether the columns of the code and the category already say all of this."""
    if key == "class":
        return is_bare(detail)
    if key == "categories":
        return len(detail) == 1 and not detail[0]["text"] and "other_codings" not in detail[0]
    if key == "type" and fact["source_type"] == "Encounter":
        (first, *others) = detail
        return not others and not first["text"] and first["code"] == fact.get("code")
    return False
