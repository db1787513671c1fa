"""Write dosages of medications, and what a prescription allows to dispense."""

from typing import Any

from trially.exports.fhir.elements import Json, Row, concept_of, concepts_of, present
from trially.exports.fhir.quantities import read_quantity, read_range, read_ratio


def write_dosages(rows: Any) -> list[Json]:
    """Return dosages. Words about the timing are the text of its code."""
    return [_dosage(row) for row in rows]


def write_dosage(rows: Any) -> Json | None:
    """Return the first dosage, as a MedicationAdministration has one, with one dose."""
    row = rows[0]
    return (
        present(
            {
                "text": row.get("text"),
                "site": concept_of(row.get("site")),
                "route": concept_of(row.get("route")),
                "method": concept_of(row.get("method")),
                "dose": read_quantity(row.get("dose")),
                "rateRatio": read_ratio(row.get("rate")),
                "rateQuantity": read_quantity(row.get("rate")),
            }
        )
        or None
    )


def bound_dosages(dosages: list[Json], start: str | None, end: str | None) -> list[Json]:
    """Return dosages whose timings are bound by a period: each one that has a timing, or one."""
    bounds = present({"start": start, "end": end})
    if not bounds:
        return dosages
    if not any("timing" in each for each in dosages):
        first, *others = dosages or [{}]
        dosages = [{**first, "timing": {}}, *others]
    return [
        {**each, "timing": {**each["timing"], "repeat": {"boundsPeriod": bounds}}}
        if "timing" in each
        else each
        for each in dosages
    ]


def write_supply(row: Any) -> Json:
    """Return what a prescription allows to dispense."""
    return present(
        {
            "quantity": read_quantity(row.get("quantity")),
            "numberOfRepeatsAllowed": row.get("repeats"),
            "expectedSupplyDuration": read_quantity(row.get("duration")),
        }
    )


def _dosage(row: Row) -> Json:
    needed_for = concept_of(row.get("as_needed_for"))
    dose = row.get("dose")
    dose_and_rate = present(
        {
            "doseQuantity": read_quantity(dose),
            "doseRange": read_range(dose),
            **_rate(row.get("rate")),
        }
    )
    return present(
        {
            "text": row.get("text"),
            "additionalInstruction": concepts_of(row.get("additional")),
            "patientInstruction": row.get("instruction"),
            "timing": {"code": {"text": row["timing"]}} if row.get("timing") else None,
            "asNeededBoolean": None if needed_for else row.get("as_needed"),
            "asNeededCodeableConcept": needed_for,
            "site": concept_of(row.get("site")),
            "route": concept_of(row.get("route")),
            "method": concept_of(row.get("method")),
            "doseAndRate": [dose_and_rate] if dose_and_rate else None,
            "maxDosePerPeriod": read_ratio(row.get("most")),
            "maxDosePerAdministration": read_quantity(row.get("most")),
        }
    )


def _rate(text: str | None) -> Json:
    return {
        "rateQuantity": read_quantity(text),
        "rateRatio": read_ratio(text),
        "rateRange": read_range(text),
    }
