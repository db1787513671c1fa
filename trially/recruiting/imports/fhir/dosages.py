"""Read dosages and quantities of medications."""

from typing import Any

from trially.recruiting.imports.fhir.codings import describe_concept
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_CODE, LONGEST_DISPLAY
from trially.recruiting.imports.fhir.values import Json, read_object, read_objects, read_text

MOST_DOSAGES = 50


def describe_dosages(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return dosages: text, dose, rate, route, timing, and whether only if needed."""
    dosages = read_objects(value)
    if len(dosages) > MOST_DOSAGES:
        reading.lose(where, f"has more than {MOST_DOSAGES} items")
    rows = [_describe_dosage(dosage, where, reading) for dosage in dosages[:MOST_DOSAGES]]
    return [row for row in rows if row] or None


def describe_quantity(value: object) -> str | None:
    """Return a Quantity, Range or Ratio as text: `500 mg`, `1 - 2 {tbl}`."""
    fields = read_object(value)
    for first, joint, second in (("low", " - ", "high"), ("numerator", " / ", "denominator")):
        if first in fields or second in fields:
            ends = [describe_quantity(fields.get(end)) for end in (first, second)]
            return joint.join(end or "…" for end in ends) if any(ends) else None
    number = fields.get("value")
    if type(number) not in (int, float):
        return None
    unit = read_text(fields.get("unit"), LONGEST_CODE) or read_text(
        fields.get("code"), LONGEST_CODE
    )
    return f"{read_text(fields.get('comparator'), 2) or ''}{number} {unit or ''}".strip()


def _describe_dosage(dosage: Json, where: str, reading: Reading) -> Json:
    row: dict[str, Any] = {
        "text": read_text(dosage.get("text"), LONGEST_DISPLAY, keep_lines=True),
        "instruction": read_text(dosage.get("patientInstruction"), LONGEST_DISPLAY),
        "dose": _describe_dose(dosage),
        "rate": _describe_rate(dosage),
        "route": describe_concept(dosage.get("route"), f"{where}.route", reading),
        "site": describe_concept(dosage.get("site"), f"{where}.site", reading),
        "timing": _describe_timing(read_object(dosage.get("timing"))),
        "as_needed": _is_as_needed(dosage),
    }
    return {name: part for name, part in row.items() if part is not None}


def _describe_dose(dosage: Json) -> str | None:
    """Return the dose. FHIR R4 has a list of doses; STU3 and MedicationAdministration have one."""
    for holder in (*read_objects(dosage.get("doseAndRate")), dosage):
        for element in ("doseQuantity", "doseRange", "dose", "quantity"):
            dose = describe_quantity(holder.get(element))
            if dose is not None:
                return dose
    return None


def _describe_rate(dosage: Json) -> str | None:
    for holder in (*read_objects(dosage.get("doseAndRate")), dosage):
        for element in ("rateQuantity", "rateRatio", "rateRange"):
            rate = describe_quantity(holder.get(element))
            if rate is not None:
                return rate
    return None


def _describe_timing(timing: Json) -> str | None:
    """Return how often: the name of the timing, or `2 per 1 d`."""
    code = read_object(timing.get("code"))
    named = read_text(code.get("text"), LONGEST_DISPLAY)
    for coding in read_objects(code.get("coding")):
        named = named or read_text(coding.get("display"), LONGEST_DISPLAY)
        named = named or read_text(coding.get("code"), LONGEST_CODE)
    if named is not None:
        return named
    repeat = read_object(timing.get("repeat"))
    period, unit = repeat.get("period"), read_text(repeat.get("periodUnit"), LONGEST_CODE)
    if type(period) not in (int, float) or unit is None:
        return None
    frequency = repeat.get("frequency", 1)
    return f"{frequency if type(frequency) is int else 1} per {period} {unit}"


def _is_as_needed(dosage: Json) -> bool | None:
    flag = dosage.get("asNeededBoolean", dosage.get("asNeeded"))
    if type(flag) is bool:
        return flag
    return True if read_object(dosage.get("asNeededCodeableConcept")) else None
