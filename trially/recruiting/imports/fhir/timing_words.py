"""Write a Timing as people read it: `BID, 2 per 1 d, for 10 d`."""

from collections.abc import Iterator
from typing import Any

from trially.recruiting.imports.fhir.quantities import describe_quantity
from trially.recruiting.imports.fhir.rows import LONGEST_CODE, LONGEST_DISPLAY
from trially.recruiting.imports.fhir.values import (
    Json,
    is_number,
    read_object,
    read_objects,
    read_text,
    write_number,
)


def describe_timing(timing: Json) -> str | None:
    """Return how often, when and for how long. The bounds of a period are dates of the record."""
    parts = (
        _name_of(read_object(timing.get("code"))),
        *_parts_of(read_object(timing.get("repeat"))),
    )
    return ", ".join(part for part in parts if part)[:LONGEST_DISPLAY] or None


def _name_of(code: Json) -> str | None:
    named = read_text(code.get("text"), LONGEST_DISPLAY)
    for coding in read_objects(code.get("coding")):
        named = named or read_text(coding.get("display"), LONGEST_DISPLAY)
        named = named or read_text(coding.get("code"), LONGEST_CODE)
    return named


def _parts_of(repeat: Json) -> Iterator[str]:
    yield _rate_of(repeat)
    for element in ("dayOfWeek", "timeOfDay", "when"):
        words = repeat.get(element)
        texts = [
            read_text(word, LONGEST_CODE) for word in (words if type(words) is list else [words])
        ]
        yield " ".join(text for text in texts if text)
    if offset := _between(repeat, "offset", ""):
        yield f"offset {offset} min"
    if count := _between(repeat, "count", "countMax"):
        yield f"{count} times"
    if duration := _between(repeat, "duration", "durationMax"):
        yield f"each {duration} {read_text(repeat.get('durationUnit'), LONGEST_CODE) or ''}".strip()
    for element in ("boundsDuration", "boundsRange"):
        if bounds := describe_quantity(repeat.get(element)):
            yield f"for {bounds}"


def _rate_of(repeat: Json) -> str:
    """Return `2 per 1 d`, or `2 times` without a period."""
    period, frequency = (
        _between(repeat, "period", "periodMax"),
        _between(repeat, "frequency", "frequencyMax"),
    )
    unit = read_text(repeat.get("periodUnit", repeat.get("periodUnits")), LONGEST_CODE)
    if not period or unit is None:
        return f"{frequency} times" if frequency else ""
    return f"{frequency or 1} per {period} {unit}"


def _between(repeat: Json, least: str, most: str) -> str:
    """Return a number, or two with a hyphen."""
    ends: list[Any] = [repeat.get(least), repeat.get(most)]
    return "-".join(write_number(end) for end in ends if is_number(end))
