"""Read dosages of medications."""

from typing import Any

from trially.recruiting.imports.fhir.codings import describe_concept
from trially.recruiting.imports.fhir.quantities import describe_quantity
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_DISPLAY
from trially.recruiting.imports.fhir.timing_words import describe_timing
from trially.recruiting.imports.fhir.values import Json, read_object, read_objects, read_text

MOST_DOSAGES = 50
_DOSES = ("doseQuantity", "doseRange", "dose", "quantity", "quantityQuantity", "quantityRange")
"""Names of a dose, in R4 and in the versions before."""


def describe_dosages(value: object, where: str, reading: Reading) -> list[Json] | None:
    """Return dosages: text, dose, rate, route, timing, limits, and whether only if needed."""
    dosages = read_objects(value)
    if len(dosages) > MOST_DOSAGES:
        reading.lose(where, f"has more than {MOST_DOSAGES} items")
    rows = [_describe_dosage(dosage, where, reading) for dosage in dosages[:MOST_DOSAGES]]
    return [row for row in rows if row] or None


def _describe_dosage(dosage: Json, where: str, reading: Reading) -> Json:
    if type(dosage.get("timing")) is str:
        reading.lose(f"{where}.timing", "is not an object")
    row: dict[str, Any] = {
        "text": read_text(dosage.get("text"), LONGEST_DISPLAY, keep_lines=True),
        "instruction": read_text(dosage.get("patientInstruction"), LONGEST_DISPLAY),
        "dose": _describe_dose(dosage),
        "rate": _describe_rate(dosage),
        "route": describe_concept(dosage.get("route"), f"{where}.route", reading),
        "site": describe_concept(
            dosage.get("site", dosage.get("siteCodeableConcept")), f"{where}.site", reading
        ),
        "timing": describe_timing(read_object(dosage.get("timing"))),
        "as_needed": _is_as_needed(dosage),
        "as_needed_for": describe_concept(
            dosage.get("asNeededCodeableConcept"), f"{where}.asNeededCodeableConcept", reading
        ),
        "method": describe_concept(dosage.get("method"), f"{where}.method", reading),
        "additional": [
            concept
            for each in _additional_of(dosage)
            if (concept := describe_concept(each, f"{where}.additionalInstruction", reading))
        ]
        or None,
        "most": _describe_most(dosage),
    }
    return {name: part for name, part in row.items() if part is not None}


def _additional_of(dosage: Json) -> list[Json]:
    """Return the additional instructions. The second name is that of DSTU2."""
    concepts = dosage.get("additionalInstruction", dosage.get("additionalInstructions"))
    return read_objects(concepts)[:MOST_DOSAGES]


def _describe_dose(dosage: Json) -> str | None:
    """Return the dose. FHIR R4 has a list of doses; STU3 and MedicationAdministration have one."""
    for holder in (*read_objects(dosage.get("doseAndRate")), dosage):
        for element in _DOSES:
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


def _describe_most(dosage: Json) -> str | None:
    """Return the most that may be taken: `4 per 1 d`."""
    limits = [
        describe_quantity(each)
        for element in ("maxDosePerPeriod", "maxDosePerAdministration", "maxDosePerLifetime")
        for each in read_objects(dosage.get(element))
    ]
    return ", ".join(limit for limit in limits if limit) or None


def _is_as_needed(dosage: Json) -> bool | None:
    flag = dosage.get("asNeededBoolean", dosage.get("asNeeded"))
    if type(flag) is bool:
        return flag
    return True if read_object(dosage.get("asNeededCodeableConcept")) else None
