"""Translate the row of a table to a FHIR R4 resource."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trially.recruiting.column_mappings.code_systems import find_code_system
from trially.recruiting.column_mappings.mapping import ColumnMapping
from trially.recruiting.column_mappings.table_fields import CODE_FIELDS, TableKind
from trially.recruiting.imports.formats.resource_ids import fact_id_of, patient_id_of
from trially.recruiting.imports.formats.tables.cells import Cells
from trially.recruiting.imports.formats.tables.patients import translate_patient
from trially.recruiting.imports.formats.tables.rows import RowError

Json = dict[str, Any]

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_CLINICAL = f"{_TERMINOLOGY}/condition-clinical"
_VERIFICATION = f"{_TERMINOLOGY}/condition-ver-status"
_INTERPRETATION = f"{_TERMINOLOGY}/v3-ObservationInterpretation"

_CLINICAL_WORDS = {
    word: word for word in ("active", "recurrence", "relapse", "inactive", "remission", "resolved")
} | {"aktiv": "active", "inaktiv": "inactive", "chronic": "active", "geheilt": "resolved"}
# The letters are the German coding of diagnostic certainty (ICD-10-GM).
_CERTAINTY_WORDS = {
    word: word
    for word in (
        "unconfirmed",
        "provisional",
        "differential",
        "confirmed",
        "refuted",
        "entered-in-error",
    )
} | {
    "g": "confirmed",
    "gesichert": "confirmed",
    "v": "provisional",
    "verdacht": "provisional",
    "a": "refuted",
    "ausgeschlossen": "refuted",
    "suspected": "provisional",
    "z": "former",
    "zustand nach": "former",
}
FORMER = "former"
"""Certainty `Z`: the state after a disease, so the disease itself is resolved."""

_LAB_STATUSES = {
    word: word
    for word in (
        "registered",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "cancelled",
        "entered-in-error",
        "unknown",
    )
} | {"f": "final", "p": "preliminary", "c": "corrected", "x": "cancelled", "endgültig": "final"}
_MEDICATION_STATUSES = {
    word: word
    for word in (
        "active",
        "completed",
        "entered-in-error",
        "intended",
        "stopped",
        "on-hold",
        "unknown",
        "not-taken",
    )
} | {"current": "active", "aktiv": "active", "discontinued": "stopped", "abgesetzt": "stopped"}


def translate_row(cells: Cells, kind: TableKind, mapping: ColumnMapping) -> Json:
    """Return the resource of a row. Raises `RowError` if the row has none."""
    number = cells.number("patient")
    if number is None:
        raise RowError("The row has no record number of a patient.")
    patient_id = patient_id_of(mapping.identifier_system, number)
    if kind is TableKind.PATIENTS:
        return translate_patient(cells, patient_id, number, mapping)
    resource = _TRANSLATORS[kind](cells, mapping)
    resource["subject"] = {"reference": f"Patient/{patient_id}"}
    return _without_empty({"id": _id_of(cells, kind, patient_id), **resource, "meta": _meta(cells)})


def _translate_diagnosis(cells: Cells, mapping: ColumnMapping) -> Json:
    certainty = cells.word("certainty", _CERTAINTY_WORDS)
    clinical_status = cells.word("clinical_status", _CLINICAL_WORDS)
    if certainty == FORMER:
        certainty, clinical_status = "confirmed", clinical_status or "resolved"
    stage = cells.text("stage")
    return {
        "resourceType": "Condition",
        "code": _concept(cells, mapping, "text"),
        "clinicalStatus": _coded(_CLINICAL, clinical_status),
        "verificationStatus": _coded(_VERIFICATION, certainty),
        "onsetDateTime": cells.date("onset"),
        "abatementDateTime": cells.date("end"),
        "recordedDate": cells.date("recorded"),
        "bodySite": _texts(cells, "body_site"),
        "stage": [{"summary": {"text": stage}}] if stage else None,
        "severity": _text(cells, "severity"),
        "note": _note(cells),
    }


def _translate_lab(cells: Cells, mapping: ColumnMapping) -> Json:
    return {
        "resourceType": "Observation",
        "status": cells.word("status", _LAB_STATUSES) or "unknown",
        "category": [
            {"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "laboratory"}]}
        ],
        "code": _concept(cells, mapping, "name"),
        "effectiveDateTime": cells.date("date"),
        "issued": cells.date("reported"),
        "referenceRange": _reference_range(cells),
        "interpretation": _interpretation(cells),
        "note": _note(cells),
        **_value(cells),
    }


def _translate_medication(cells: Cells, mapping: ColumnMapping) -> Json:
    dosage = {"text": cells.text("dosage"), "route": _text(cells, "route")}
    return {
        "resourceType": "MedicationStatement",
        "status": cells.word("status", _MEDICATION_STATUSES) or "unknown",
        "medicationCodeableConcept": _concept(cells, mapping, "name"),
        "effectivePeriod": _without_empty({"start": cells.date("start"), "end": cells.date("end")}),
        "dosage": [_without_empty(dosage)] if any(dosage.values()) else None,
        "reasonCode": _texts(cells, "reason"),
        "note": _note(cells),
    }


_TRANSLATORS: Mapping[TableKind, Callable[[Cells, ColumnMapping], Json]] = {
    TableKind.DIAGNOSES: _translate_diagnosis,
    TableKind.LABS: _translate_lab,
    TableKind.MEDICATIONS: _translate_medication,
}
_IDENTIFYING: Mapping[TableKind, Sequence[str]] = {
    TableKind.DIAGNOSES: ("code", *CODE_FIELDS, "text", "onset", "recorded"),
    TableKind.LABS: ("code", *CODE_FIELDS, "name", "date", "value", "comparator", "unit"),
    TableKind.MEDICATIONS: ("code", *CODE_FIELDS, "name", "start", "dosage"),
}
"""The fields that tell apart the facts of a patient in a table without numbers of records."""

_WORDS = {
    TableKind.DIAGNOSES: "diagnosis",
    TableKind.LABS: "lab",
    TableKind.MEDICATIONS: "medication",
}


def _id_of(cells: Cells, kind: TableKind, patient_id: str) -> str:
    record = cells.number("record")
    if record is not None:
        return fact_id_of(_WORDS[kind], ["record", record])
    return fact_id_of(
        _WORDS[kind], [patient_id, *(cells.text(field) for field in _IDENTIFYING[kind])]
    )


def _concept(cells: Cells, mapping: ColumnMapping, text_field: str) -> Json:
    """Return the codes and the text of a row. Raises `RowError` if it has neither."""
    text = cells.text(text_field)
    codings = [
        {"system": system, "code": code, "display": text}
        for field, system in CODE_FIELDS.items()
        if (code := cells.number(field))
    ]
    if code := cells.number("code"):
        named = cells.text("code_system")
        system = find_code_system(named) or mapping.code_system
        if named and find_code_system(named) is None:
            cells.add_fault("code_system", "is not a known code system")
            system = None
        codings.append({"system": system, "code": code, "display": text})
    if not codings and not text:
        raise RowError("The row has neither a code nor a name.")
    return {"coding": [_without_empty(coding) for coding in codings], "text": text}


def _value(cells: Cells) -> Json:
    """Return the value of a lab row. Raises `RowError` if it cannot be read."""
    text = cells.text("value")
    faults = len(cells.faults)
    quantity = cells.quantity("value")
    if len(cells.faults) > faults:
        raise RowError(cells.faults.pop())
    if text is None:
        return {"dataAbsentReason": _coded(f"{_TERMINOLOGY}/data-absent-reason", "unknown")}
    if quantity is None:
        return {"valueString": text}
    comparator = cells.text("comparator")
    if comparator in ("=", "=="):
        comparator = None
    unit = cells.text("unit")
    if unit and quantity.unit and unit.casefold() != quantity.unit.casefold():
        raise RowError("The cell of the value has another unit than the cell of the unit.")
    unit = unit or quantity.unit
    return {
        "valueQuantity": _without_empty(
            {
                "value": quantity.number,
                "comparator": quantity.comparator or comparator,
                "unit": unit,
            }
        )
    }


def _reference_range(cells: Cells) -> list[Json] | None:
    low, high = cells.quantity("low"), cells.quantity("high")
    unit, text = cells.text("unit"), cells.text("range")
    limits = {
        name: _without_empty({"value": limit.number, "unit": limit.unit or unit})
        for name, limit in (("low", low), ("high", high))
        if limit is not None
    }
    for name in ("low", "high"):
        if name not in limits and text is None:
            text = cells.text(name)
    return [_without_empty({**limits, "text": text})] if limits or text else None


def _interpretation(cells: Cells) -> list[Json] | None:
    flag = cells.text("flag")
    if flag is None:
        return None
    known = {"+": "H", "++": "HH", "-": "L", "--": "LL"}.get(flag, flag.upper())
    if known in ("H", "HH", "L", "LL", "N", "A", "AA", "POS", "NEG"):
        return [{"coding": [{"system": _INTERPRETATION, "code": known}], "text": flag}]
    return [{"text": flag}]


def _coded(system: str, code: str | None) -> Json | None:
    return {"coding": [{"system": system, "code": code}]} if code else None


def _text(cells: Cells, field: str) -> Json | None:
    text = cells.text(field)
    return {"text": text} if text else None


def _texts(cells: Cells, field: str) -> list[Json] | None:
    concept = _text(cells, field)
    return [concept] if concept else None


def _note(cells: Cells) -> list[Json] | None:
    return _texts(cells, "note")


def _meta(cells: Cells) -> Json | None:
    updated = cells.date("updated")
    return {"lastUpdated": updated} if updated else None


def _without_empty(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if value not in (None, {}, [])}
