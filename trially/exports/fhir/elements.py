"""Write FHIR's data types: concepts, references, dates and what is absent."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from trially.recruiting.imports.fhir.dates import parse_date
from trially.recruiting.imports.fhir.reading_state import UTC

Json = dict[str, Any]
Row = Mapping[str, Any]

ABSENT: Json = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "unknown",
        }
    ]
}
"""Stands for an element that FHIR requires and that is not stored."""

_CODE = re.compile(r"[^\s]+( [^\s]+)*")
_LONGEST_YEAR = 4


def present(resource: Mapping[str, Any]) -> Json:
    """Return the elements that have a value: neither None nor empty."""
    return {
        name: value
        for name, value in resource.items()
        if value is not None and value != [] and value != {} and value != ""
    }


def code_of(text: str | None) -> str | None:
    """Return a text as a FHIR `code`: None if it has blanks at an end, or several in a row."""
    return text if text is not None and _CODE.fullmatch(text) else None


def required_code(resource: Json, element: str, text: str | None) -> None:
    """Set a code that FHIR requires, or say that it is absent."""
    code = code_of(text)
    if code is None:
        resource[f"_{element}"] = ABSENT
    else:
        resource[element] = code


def coding(system: str | None, code: str | None, display: str | None = None) -> Json:
    """Return a Coding."""
    return present({"system": system, "code": code, "display": display})


def concept(
    system: str | None,
    code: str | None,
    display: str | None,
    others: Iterable[Row] | None = None,
    text: str | None = None,
) -> Json | None:
    """Return a CodeableConcept. A display without a code is its text. None if all is absent."""
    codings = [coding(system, code, display)] if code is not None else []
    codings += [
        coding(each.get("system"), each.get("code"), each.get("display")) for each in others or ()
    ]
    if code is None:
        text = display or text
    return present({"coding": codings, "text": text}) or None


def concept_of(row: Row | None) -> Json | None:
    """Return the CodeableConcept of a concept in a record's details."""
    if row is None:
        return None
    return concept(
        row.get("system"),
        row.get("code"),
        row.get("display"),
        row.get("other_codings"),
        row.get("text"),
    )


def concepts_of(rows: Iterable[Row] | None) -> list[Json]:
    """Return the CodeableConcepts of concepts in a record's details."""
    return [each for row in rows or () if (each := concept_of(row))]


def word_of(row: Row | None) -> str | None:
    """Return the code of a concept that was a plain code at its source."""
    return None if row is None else code_of(row.get("code") or row.get("display"))


def named(row: Row) -> Json:
    """Return a Reference that has a name only."""
    return present({"display": row.get("display")})


def reference(kind: str, source_id: str | None, base_url: str = "") -> Json | None:
    """Return a Reference by type and id, with the base URL of another server."""
    if source_id is None:
        return None
    path = f"{kind}/{source_id}"
    return {"reference": f"{base_url}/{path}" if base_url else path}


def date_time(
    at: dt.datetime | None, precision: str | None, offset: int | None = None
) -> str | None:
    """Return a dateTime with the precision and the UTC offset that its source gave."""
    if at is None:
        return None
    utc = at.astimezone(dt.UTC)
    if precision in ("year", "month", "day"):
        length = {"year": _LONGEST_YEAR, "month": 7, "day": 10}[precision]
        return utc.date().isoformat()[:length]
    zone = dt.timezone(dt.timedelta(minutes=offset or 0))
    try:
        return utc.astimezone(zone).isoformat()
    except OverflowError:
        return utc.isoformat()


def period(start: str | None, end: str | None) -> Json | None:
    """Return a Period of dates that FHIR allows."""
    return present({"start": valid_date(start), "end": valid_date(end)}) or None


def valid_date(text: str | None) -> str | None:
    """Return a date as its source wrote it, or None if FHIR does not allow it."""
    if text is None:
        return None
    date = parse_date(text, UTC)
    if date is None or date.at is None:
        return None
    at = dt.datetime.fromisoformat(date.at)
    return date_time(at, date.precision, date.offset)


def meta(row: Row) -> Json | None:
    """Return the version of a resource, as its source gave it."""
    number = row.get("version_number")
    return (
        present(
            {
                "versionId": None if number is None else str(number),
                "lastUpdated": date_time(row.get("version_at"), "instant"),
            }
        )
        or None
    )


def number_of(value: Decimal | int | str) -> Decimal:
    """Return a number that is written with all its digits."""
    return Decimal(value)
