"""Read elements that a record has in its details."""

from collections.abc import Callable
from typing import Any

from trially.recruiting.imports.fhir.codings import describe_concept, only_coding
from trially.recruiting.imports.fhir.quantities import describe_quantity
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_DISPLAY, ConceptRow
from trially.recruiting.imports.fhir.values import (
    Json,
    find_target,
    read_long_text,
    read_object,
    read_objects,
    read_text,
)

LONGEST_NOTE = 4_000
MOST_ITEMS = 50
MOST_MEMBERS = 200

Describe = Callable[[object, str, Reading], Any]


def describe_one(value: object, where: str, reading: Reading) -> ConceptRow | None:
    """Return a concept. A Coding counts as a concept with one coding."""
    fields = read_object(value)
    if type(value) is str:
        return describe_concept({"text": value}, where, reading)
    if "code" in fields and "coding" not in fields and type(fields["code"]) is str:
        return describe_concept({"coding": [fields]}, where, reading)
    return describe_concept(value, where, reading)


def describe_all(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return concepts. A single one counts as a list of one."""
    items = value if type(value) is list else [value]
    rows = [
        describe_one(item, where, reading) for item in at_most(MOST_ITEMS, items, where, reading)
    ]
    return [row for row in rows if row is not None] or None


def describe_notes(value: object, where: str, reading: Reading) -> list[str] | None:
    """Return the texts of annotations. Before FHIR R4, some are one string or one object."""
    items = value if type(value) is list else [value]
    texts = []
    for item in at_most(MOST_ITEMS, items, where, reading):
        text = item.get("text") if type(item) is dict else item
        note = read_long_text(text, LONGEST_NOTE, where, reading)
        if note is not None:
            texts.append(note)
    return texts or None


def describe_text(value: object, where: str, reading: Reading) -> str | None:
    """Return a string."""
    text = read_text(value, LONGEST_DISPLAY)
    if text is None and value not in (None, ""):
        reading.lose(where, "is not a string")
    return text


def describe_categories(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return categories that are not one bare code, which has its own column."""
    items = read_objects(value)
    coding = only_coding(items[0]) if len(items) == 1 else None
    if coding is not None:
        text = items[0].get("text")
        if text is None or text in (coding.get("display"), coding.get("code")):
            return None
    return describe_all(value, where, reading)


def describe_flag(value: object, where: str, reading: Reading) -> str | None:
    """Return a Boolean as text."""
    if type(value) is bool:
        return "true" if value else "false"
    reading.lose(where, "is not true or false")
    return None


def describe_stages(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return the summaries of stages, each with its type."""
    rows = []
    for stage in at_most(MOST_ITEMS, read_objects(value), where, reading):
        row = describe_concept(stage.get("summary"), f"{where}.summary", reading)
        if row is not None:
            kind = describe_concept(stage.get("type"), f"{where}.type", reading)
            if kind is not None:
                row["type"] = kind["display"] or kind["code"]
            rows.append(row)
    return rows or None


def describe_evidence(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return the codes of the evidence."""
    codes = [
        code
        for item in at_most(MOST_ITEMS, read_objects(value), where, reading)
        for code in read_objects(item.get("code") or item.get("concept"))
    ]
    return describe_all(codes, f"{where}.code", reading) if codes else None


def describe_reactions(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return reactions to an allergy or an immunization."""
    rows = []
    for reaction in at_most(MOST_ITEMS, read_objects(value), where, reading):
        row = {
            "substance": describe_one(reaction.get("substance"), f"{where}.substance", reading),
            "manifestation": describe_all(
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


def describe_references(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return the displays, or else the types, of references."""
    rows: list[ConceptRow] = []
    for link in at_most(MOST_ITEMS, read_objects(value), where, reading):
        name = read_text(link.get("display"), LONGEST_DISPLAY)
        if name is not None:
            rows.append({"display": name})
    return rows or None


def describe_members(value: object, where: str, reading: Reading) -> list[str] | None:
    """Return the source's ids of the resources that are referred to."""
    targets = [
        find_target(link)[1] for link in at_most(MOST_MEMBERS, read_objects(value), where, reading)
    ]
    return [read_id[:64] for read_id in targets if read_id] or None


def describe_amount(value: object, _where: str, _reading: Reading) -> str | None:
    """Return a Quantity as text."""
    return describe_quantity(value)


def describe_special_ranges(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return the reference ranges that columns do not say: several ones, or one of some people."""
    ranges = read_objects(value)
    if len(ranges) < 2 and not any(_FOR_SOME & item.keys() for item in ranges):
        return None
    return describe_ranges(ranges, where, reading)


def describe_ranges(ranges: list[Json], where: str, reading: Reading) -> list[Json]:
    """Return reference ranges, with their units."""
    rows = []
    for item in at_most(MOST_ITEMS, ranges, where, reading):
        row = {
            "low": describe_quantity(item.get("low")),
            "high": describe_quantity(item.get("high")),
            "text": read_text(item.get("text"), LONGEST_DISPLAY),
            "age": describe_quantity(item.get("age")),
            "type": describe_one(item.get("type"), f"{where}.type", reading),
            "applies_to": describe_all(item["appliesTo"], f"{where}.appliesTo", reading)
            if item.get("appliesTo")
            else None,
        }
        rows.append({name: part for name, part in row.items() if part is not None})
    return rows


_FOR_SOME = frozenset({"appliesTo", "age", "type"})


def describe_interpretations(
    value: object, where: str, reading: Reading
) -> list[ConceptRow] | None:
    """Return interpretations that are not one bare code, which has its own column."""
    rows = describe_all(value, where, reading)
    return None if rows is None or (len(rows) == 1 and is_bare(rows[0])) else rows


def describe_series(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return the doses of a vaccination series."""
    rows = []
    for item in at_most(MOST_ITEMS, read_objects(value), where, reading):
        dose = item.get("doseNumberPositiveInt", item.get("doseNumber", item.get("doseSequence")))
        row = {
            "dose": str(dose)[:40]
            if type(dose) in (int, str)
            else describe_text(item.get("doseNumberString"), f"{where}.doseNumberString", reading),
            "series": describe_text(item.get("series"), f"{where}.series", reading),
            "disease": describe_all(item["targetDisease"], f"{where}.targetDisease", reading)
            if item.get("targetDisease")
            else None,
        }
        kept = {name: part for name, part in row.items() if part is not None}
        if kept:
            rows.append(kept)
    return rows or None


def describe_supply(value: object, _where: str, _reading: Reading) -> Json | None:
    """Return what a prescription allows to dispense."""
    request = read_object(value)
    repeats = request.get("numberOfRepeatsAllowed")
    row = {
        "quantity": describe_quantity(request.get("quantity")),
        "repeats": repeats if type(repeats) is int else None,
        "duration": describe_quantity(request.get("expectedSupplyDuration")),
    }
    return {name: part for name, part in row.items() if part is not None} or None


def describe_discharge(value: object, where: str, reading: Reading) -> ConceptRow | None:
    """Return where a patient went after a hospitalization."""
    disposition = read_object(value).get("dischargeDisposition")
    return describe_one(disposition, f"{where}.dischargeDisposition", reading)


def describe_locations(value: object, where: str, reading: Reading) -> list[ConceptRow] | None:
    """Return the names of locations."""
    return describe_references(
        [item.get("location") for item in read_objects(value)], where, reading
    )


def describe_diagnoses(value: object, where: str, reading: Reading) -> list[str] | None:
    """Return the source's ids of the diagnoses of an encounter."""
    return describe_members([item.get("condition") for item in read_objects(value)], where, reading)


def is_bare(concept: ConceptRow) -> bool:
    """Return whether a concept is a single code without words."""
    return not concept["display"] and not concept["text"] and "other_codings" not in concept


def at_most(most: int, items: list[Any], where: str, reading: Reading) -> list[Any]:
    """Return the first items of a list. A fault if there are more."""
    if len(items) > most:
        reading.lose(where, f"has more than {most} items")
    return items[:most]
