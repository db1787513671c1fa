"""Write the elements of a resource that a record has in its details.

The inverse of `DETAILS` in `trially.recruiting.imports.fhir.details`.
"""

from collections.abc import Callable
from typing import Any

from trially.exports.fhir.dosages import write_dosage, write_dosages, write_supply
from trially.exports.fhir.elements import (
    Json,
    Row,
    concept_of,
    concepts_of,
    named,
    present,
    valid_date,
    word_of,
)
from trially.exports.fhir.quantities import read_age, read_quantity, read_range

Write = Callable[[Any], Any]


def _first_concept(rows: Any) -> Json | None:
    return concept_of(rows[0]) if rows else None


def _first_named(rows: Any) -> Json | None:
    return named(rows[0]) if rows else None


def _named(rows: Any) -> list[Json]:
    return [named(row) for row in rows]


def _words(rows: Any) -> list[str]:
    return [word for row in rows if (word := word_of(row))]


def _first_word(rows: Any) -> str | None:
    return word_of(rows[0]) if rows else None


def _notes(texts: Any) -> list[Json]:
    return [{"text": text} for text in texts]


def _flag(text: Any) -> bool:
    return bool(text == "true")


def _references(kind: str) -> Write:
    return lambda ids: [{"reference": f"{kind}/{each}"} for each in ids]


def _stages(rows: Any) -> list[Json]:
    return [
        present(
            {
                "summary": concept_of(row),
                "type": {"text": row["type"]} if row.get("type") else None,
            }
        )
        for row in rows
    ]


def _evidence(rows: Any) -> list[Json]:
    return [{"code": [each]} for each in concepts_of(rows)]


def _reactions(rows: Any) -> list[Json]:
    return [
        present(
            {
                "substance": concept_of(row.get("substance")),
                # FHIR requires it. A reaction without one says so.
                "manifestation": concepts_of(row.get("manifestation")) or [{"text": "unknown"}],
                "severity": row.get("severity"),
                "onset": valid_date(row.get("onset")),
                "description": row.get("description"),
            }
        )
        for row in rows
    ]


def _dates_of_reactions(rows: Any) -> list[Json]:
    """Return the dates of reactions. An Immunization has no more of them than that."""
    dates = [valid_date(row.get("onset")) for row in rows]
    return [{"date": date} for date in dates if date]


def _coding(row: Row) -> Json:
    return present({name: row.get(name) for name in ("system", "code", "display")})


def _diagnoses(ids: Any) -> list[Json]:
    return [{"condition": {"reference": f"Condition/{each}"}} for each in ids]


def _discharge(row: Any) -> Json:
    return present({"dischargeDisposition": concept_of(row)})


def _locations(rows: Any) -> list[Json]:
    return [{"location": named(row)} for row in rows]


def _series(rows: Any) -> list[Json]:
    return [_dose_of_series(row) for row in rows]


def _dose_of_series(row: Row) -> Json:
    dose = row.get("dose") or "unknown"
    is_number = dose.isascii() and dose.isdigit() and int(dose) > 0
    return present(
        {
            "series": row.get("series"),
            "targetDisease": concepts_of(row.get("disease")),
            "doseNumberPositiveInt": int(dose) if is_number else None,
            "doseNumberString": None if is_number else dose,
        }
    )


def write_ranges(rows: Any) -> list[Json]:
    """Return the reference ranges of an Observation."""
    return [
        present(
            {
                "low": read_quantity(row.get("low")),
                "high": read_quantity(row.get("high")),
                "text": row.get("text"),
                "age": read_range(row.get("age")) or _since(row.get("age")),
                "type": concept_of(row.get("type")),
                "appliesTo": concepts_of(row.get("applies_to")),
            }
        )
        for row in rows
    ]


def _since(text: str | None) -> Json | None:
    age = read_age(text)
    return {"low": age} if age else None


_REASONS: dict[str, tuple[str, Write]] = {
    "reason": ("reasonCode", concepts_of),
    "reason_reference": ("reasonReference", _named),
    "note": ("note", _notes),
}

ELEMENTS: dict[str, dict[str, tuple[str, Write]]] = {
    "AllergyIntolerance": {
        "type": ("type", _first_word),
        "categories": ("category", _words),
        "last_occurrence": ("lastOccurrence", valid_date),
        "reaction": ("reaction", _reactions),
        "note": ("note", _notes),
    },
    "Condition": {
        "categories": ("category", concepts_of),
        "severity": ("severity", concept_of),
        "body_site": ("bodySite", concepts_of),
        "stage": ("stage", _stages),
        "evidence": ("evidence", _evidence),
        "note": ("note", _notes),
    },
    "Encounter": {
        "class": ("class", _coding),
        "type": ("type", concepts_of),
        "service_type": ("serviceType", concept_of),
        "priority": ("priority", concept_of),
        "reason": ("reasonCode", concepts_of),
        "reason_reference": ("reasonReference", _named),
        "diagnosis": ("diagnosis", _diagnoses),
        "discharge": ("hospitalization", _discharge),
        "location": ("location", _locations),
    },
    "Immunization": {
        **_REASONS,
        "status_reason": ("statusReason", _first_concept),
        "body_site": ("site", _first_concept),
        "route": ("route", concept_of),
        "quantity": ("doseQuantity", read_quantity),
        "lot_number": ("lotNumber", str),
        "is_subpotent": ("isSubpotent", _flag),
        "reaction": ("reaction", _dates_of_reactions),
        "series": ("protocolApplied", _series),
    },
    "MedicationAdministration": {
        **_REASONS,
        "categories": ("category", _first_concept),
        "status_reason": ("statusReason", concepts_of),
        "dosage": ("dosage", write_dosage),
    },
    "MedicationDispense": {
        "note": ("note", _notes),
        "categories": ("category", _first_concept),
        "status_reason": ("statusReasonCodeableConcept", _first_concept),
        "type": ("type", _first_concept),
        "quantity": ("quantity", read_quantity),
        "days_supply": ("daysSupply", read_quantity),
        "dosage": ("dosageInstruction", write_dosages),
    },
    "MedicationRequest": {
        **_REASONS,
        "categories": ("category", concepts_of),
        "status_reason": ("statusReason", _first_concept),
        "priority": ("priority", word_of),
        "course_of_therapy": ("courseOfTherapyType", concept_of),
        "dosage": ("dosageInstruction", write_dosages),
        "supply": ("dispenseRequest", write_supply),
        "is_reported": ("reportedBoolean", _flag),
    },
    "MedicationStatement": {
        **_REASONS,
        "categories": ("category", _first_concept),
        "status_reason": ("statusReason", concepts_of),
        "dosage": ("dosage", write_dosages),
    },
    "Observation": {
        "categories": ("category", concepts_of),
        "absent_reason": ("dataAbsentReason", concept_of),
        "interpretation": ("interpretation", concepts_of),
        "body_site": ("bodySite", _first_concept),
        "method": ("method", concept_of),
        "reference_ranges": ("referenceRange", write_ranges),
        "members": ("hasMember", _references("Observation")),
        "derived_from": ("derivedFrom", _references("Observation")),
        "specimen": ("specimen", _first_named),
        "note": ("note", _notes),
    },
    "Procedure": {
        **_REASONS,
        "categories": ("category", _first_concept),
        "status_reason": ("statusReason", _first_concept),
        "body_site": ("bodySite", concepts_of),
        "outcome": ("outcome", concept_of),
        "complication": ("complication", concepts_of),
        "follow_up": ("followUp", concepts_of),
        "used": ("usedCode", concepts_of),
        "location": ("location", _first_named),
    },
}
"""By type and key in the details: the element, and the function that writes it."""

ELEMENTS["MedicationOrder"] = ELEMENTS["MedicationRequest"]


def details_of(fact: Row) -> Json:
    """Return the details of a fact: an empty object if it has none."""
    return fact["details"] or {}


def write_details(fact: Row, kind: str) -> Json:
    """Return the elements of a resource of a type that a fact has in its details."""
    details, elements = details_of(fact), ELEMENTS[kind]
    return present(
        {
            element: write(details[key])
            for key, (element, write) in elements.items()
            if details.get(key) is not None
        }
    )
