"""Read the elements of a record that have no column of their own: `ClinicalFact.details`."""

from collections.abc import Callable
from typing import Any

from trially.recruiting.imports.fhir.codings import describe_concept
from trially.recruiting.imports.fhir.dosages import describe_dosages, describe_quantity
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_DISPLAY, ConceptRow, FactRow
from trially.recruiting.imports.fhir.values import (
    Json,
    find_target,
    read_object,
    read_objects,
    read_text,
)

LONGEST_NOTE = 4_000
MOST_ITEMS = 50

Describe = Callable[[object, str, Reading], Any]


def _concept(value: object, where: str, reading: Reading) -> ConceptRow | None:
    """Return a concept. A Coding counts as a concept with one coding."""
    fields = read_object(value)
    if type(value) is str:
        return describe_concept({"text": value}, where, reading)
    if "code" in fields and "coding" not in fields and type(fields["code"]) is str:
        return describe_concept({"coding": [fields]}, where, reading)
    return describe_concept(value, where, reading)


def _concepts(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    items = value if type(value) is list else [value]
    if len(items) > MOST_ITEMS:
        reading.lose(where, f"has more than {MOST_ITEMS} items")
    rows = [_concept(item, where, reading) for item in items[:MOST_ITEMS]]
    return [row for row in rows if row is not None] or None


def _notes(value: object, where: str, reading: Reading) -> list[str] | None:
    """Return the texts of annotations. Before FHIR R4, some are one string or one object."""
    items = value if type(value) is list else [value]
    if len(items) > MOST_ITEMS:
        reading.lose(where, f"has more than {MOST_ITEMS} items")
    texts = []
    for item in items[:MOST_ITEMS]:
        text = item.get("text") if type(item) is dict else item
        note = read_text(text, LONGEST_NOTE, keep_lines=True)
        if note is not None:
            texts.append(note)
    return texts or None


def _text(value: object, where: str, reading: Reading) -> str | None:
    text = read_text(value, LONGEST_DISPLAY)
    if text is None and value not in (None, ""):
        reading.lose(where, "is not a string")
    return text


def _flag(value: object, where: str, reading: Reading) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    reading.lose(where, "is not true or false")
    return None


def _stages(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return the summaries of stages, each with its type."""
    rows = []
    for stage in read_objects(value)[:MOST_ITEMS]:
        row = describe_concept(stage.get("summary"), f"{where}.summary", reading)
        if row is not None:
            kind = describe_concept(stage.get("type"), f"{where}.type", reading)
            if kind is not None:
                row["type"] = kind["display"] or kind["code"]
            rows.append(row)
    return rows or None


def _evidence(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    codes = [
        code
        for item in read_objects(value)[:MOST_ITEMS]
        for code in read_objects(item.get("code") or item.get("concept"))
    ]
    return _concepts(codes, f"{where}.code", reading) if codes else None


def _reactions(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return reactions to an allergy or an immunization."""
    rows = []
    for reaction in read_objects(value)[:MOST_ITEMS]:
        row = {
            "substance": _concept(reaction.get("substance"), f"{where}.substance", reading),
            "manifestation": _concepts(
                list(_manifestations(reaction)),
                f"{where}.manifestation",
                reading,
            )
            if _manifestations(reaction)
            else None,
            "severity": read_text(reaction.get("severity"), 128),
            "onset": read_text(reaction.get("onset") or reaction.get("date"), 128),
            "description": read_text(reaction.get("description"), LONGEST_DISPLAY),
        }
        kept = {name: part for name, part in row.items() if part is not None}
        if kept:
            rows.append(kept)
    return rows or None


def _manifestations(reaction: Json) -> list[Json]:
    return [item.get("concept") or item for item in read_objects(reaction.get("manifestation"))]


def _references(value: object, _where: str, _reading: Reading) -> list[ConceptRow] | None:
    """Return the displays, or else the types, of references."""
    rows: list[ConceptRow] = []
    for link in read_objects(value)[:MOST_ITEMS]:
        name = read_text(link.get("display"), LONGEST_DISPLAY)
        if name is not None:
            rows.append({"display": name})
    return rows or None


def _members(value: object, _where: str, _reading: Reading) -> list[str] | None:
    """Return the source's ids of the resources that are referred to."""
    targets = [find_target(link)[1] for link in read_objects(value)[: MOST_ITEMS * 4]]
    return [read_id[:64] for read_id in targets if read_id] or None


def _quantity(value: object, _where: str, _reading: Reading) -> str | None:
    return describe_quantity(value)


def _ranges(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return all reference ranges, of an observation that has several."""
    ranges = read_objects(value)[:MOST_ITEMS]
    if len(ranges) < 2:
        return None
    rows = []
    for item in ranges:
        row = {
            "low": describe_quantity(item.get("low")),
            "high": describe_quantity(item.get("high")),
            "text": read_text(item.get("text"), LONGEST_DISPLAY),
            "type": _concept(item.get("type"), f"{where}.type", reading),
            "applies_to": _concepts(item["appliesTo"], f"{where}.appliesTo", reading)
            if item.get("appliesTo")
            else None,
        }
        rows.append({name: part for name, part in row.items() if part is not None})
    return rows


def _interpretations(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return interpretations that are not one bare code, which has its own column."""
    rows = _concepts(value, where, reading)
    if rows is None or (len(rows) == 1 and not rows[0]["display"] and not rows[0]["text"]):
        return None
    return rows


def _series(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return the doses of a vaccination series."""
    rows = []
    for item in read_objects(value)[:MOST_ITEMS]:
        dose = item.get("doseNumberPositiveInt", item.get("doseNumber", item.get("doseSequence")))
        row = {
            "dose": str(dose)[:40]
            if type(dose) in (int, str)
            else _text(item.get("doseNumberString"), f"{where}.doseNumberString", reading),
            "series": _text(item.get("series"), f"{where}.series", reading),
            "disease": _concepts(item["targetDisease"], f"{where}.targetDisease", reading)
            if item.get("targetDisease")
            else None,
        }
        kept = {name: part for name, part in row.items() if part is not None}
        if kept:
            rows.append(kept)
    return rows or None


def _supply(value: object, _where: str, _reading: Reading) -> Json | None:
    """Return what a prescription allows to dispense."""
    request = read_object(value)
    repeats = request.get("numberOfRepeatsAllowed")
    row = {
        "quantity": describe_quantity(request.get("quantity")),
        "repeats": repeats if type(repeats) is int else None,
        "duration": describe_quantity(request.get("expectedSupplyDuration")),
    }
    return {name: part for name, part in row.items() if part is not None} or None


def _discharge(value: object, where: str, reading: Reading) -> ConceptRow | None:
    disposition = read_object(value).get("dischargeDisposition")
    return _concept(disposition, f"{where}.dischargeDisposition", reading)


def _locations(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    return _references([item.get("location") for item in read_objects(value)], where, reading)


def _diagnoses(value: object, where: str, reading: Reading) -> list[str] | None:
    return _members([item.get("condition") for item in read_objects(value)], where, reading)


_REASONS: dict[str, tuple[str, Describe]] = {
    "reasonCode": ("reason", _concepts),
    "reasonReference": ("reason_reference", _references),
    "note": ("note", _notes),
}
_MEDICATION: dict[str, tuple[str, Describe]] = {
    **_REASONS,
    "statusReason": ("status_reason", _concepts),
    "category": ("categories", _concepts),
}

DETAILS: dict[str, dict[str, tuple[str, Describe]]] = {
    "AllergyIntolerance": {
        "type": ("type", _concepts),
        "category": ("categories", _concepts),
        "lastOccurrence": ("last_occurrence", _text),
        "reaction": ("reaction", _reactions),
        "note": ("note", _notes),
    },
    "Condition": {
        "category": ("categories", _concepts),
        "severity": ("severity", _concept),
        "bodySite": ("body_site", _concepts),
        "stage": ("stage", _stages),
        "evidence": ("evidence", _evidence),
        "note": ("note", _notes),
    },
    "Encounter": {
        "class": ("class", _concept),
        "type": ("type", _concepts),
        "serviceType": ("service_type", _concept),
        "priority": ("priority", _concept),
        "reasonCode": ("reason", _concepts),
        "reasonReference": ("reason_reference", _references),
        "diagnosis": ("diagnosis", _diagnoses),
        "hospitalization": ("discharge", _discharge),
        "location": ("location", _locations),
    },
    "Immunization": {
        **_REASONS,
        "statusReason": ("status_reason", _concepts),
        "site": ("body_site", _concepts),
        "route": ("route", _concept),
        "doseQuantity": ("quantity", _quantity),
        "lotNumber": ("lot_number", _text),
        "isSubpotent": ("is_subpotent", _flag),
        "reaction": ("reaction", _reactions),
        "protocolApplied": ("series", _series),
    },
    "MedicationAdministration": {**_MEDICATION, "dosage": ("dosage", describe_dosages)},
    "MedicationDispense": {
        **_MEDICATION,
        "statusReasonCodeableConcept": ("status_reason", _concepts),
        "type": ("type", _concepts),
        "quantity": ("quantity", _quantity),
        "daysSupply": ("days_supply", _quantity),
        "dosageInstruction": ("dosage", describe_dosages),
    },
    "MedicationRequest": {
        **_MEDICATION,
        "priority": ("priority", _concept),
        "courseOfTherapyType": ("course_of_therapy", _concept),
        "dosageInstruction": ("dosage", describe_dosages),
        "dispenseRequest": ("supply", _supply),
        "reportedBoolean": ("is_reported", _flag),
    },
    "MedicationStatement": {**_MEDICATION, "dosage": ("dosage", describe_dosages)},
    "Observation": {
        "dataAbsentReason": ("absent_reason", _concept),
        "interpretation": ("interpretation", _interpretations),
        "bodySite": ("body_site", _concepts),
        "method": ("method", _concept),
        "referenceRange": ("reference_ranges", _ranges),
        "hasMember": ("members", _members),
        "derivedFrom": ("derived_from", _members),
        "specimen": ("specimen", _references),
        "note": ("note", _notes),
    },
    "Procedure": {
        **_REASONS,
        "statusReason": ("status_reason", _concepts),
        "bodySite": ("body_site", _concepts),
        "outcome": ("outcome", _concept),
        "complication": ("complication", _concepts),
        "followUp": ("follow_up", _concepts),
        "usedCode": ("used", _concepts),
        "location": ("location", _references),
    },
}
"""By type and element: the key in the details, and the function that reads the element."""

DETAILS["MedicationOrder"] = DETAILS["MedicationRequest"]


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
        if detail is not None and not _is_in_columns(fact, key, detail):
            details[key] = detail
    if details:
        fact["details"] = details


def _is_in_columns(fact: FactRow, key: str, detail: Any) -> bool:
    """Return whether the columns of the code and the category already say all of this."""
    if key == "class":
        return not detail["display"] and not detail["text"]
    if key == "categories":
        return len(detail) == 1 and not detail[0]["text"]
    if key == "type" and fact["source_type"] == "Encounter":
        (first, *others) = detail
        return not others and not first["text"] and first["code"] == fact.get("code")
    return False
