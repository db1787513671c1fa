"""Read when something happened, in each of the forms that FHIR allows: `onset[x]`."""

from functools import cache
from typing import NamedTuple

from trially.recruiting.imports.fhir.ages import describe_age, find_bound, read_age
from trially.recruiting.imports.fhir.dates import NO_DATE, Date, read_date, read_period
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_DISPLAY
from trially.recruiting.imports.fhir.values import (
    EMPTY,
    Json,
    read_flag,
    read_object,
    read_objects,
    read_text,
)

MOST_EVENTS = 1_000


class When(NamedTuple):
    """A start and an end, each as a date or as an age, and the words for them."""

    start: Date = NO_DATE
    end: Date = NO_DATE
    start_age: str | None = None
    end_age: str | None = None
    text: str | None = None
    """What the source says, if it is no date: an age, or words."""

    is_given: bool = True
    """Whether the source says anything about the time."""


NEVER_SAID = When(is_given=False)


def read_when(resource: Json, stem: str, where: str, reading: Reading) -> When:
    """Return an element whose type is open: `onset` reads `onsetDateTime`, `onsetAge` and so on.

    FHIR allows one form. Of several, one is read.
    """
    forms = _forms_of(stem) & resource.keys()
    if not forms:
        return NEVER_SAID
    if len(forms) > 1 and sum(resource[form] is not None for form in forms) > 1:
        reading.lose(f"{where}.{stem}", "is given in several forms, of which one is read")
    return _read_first(resource, stem, where, reading)


_FORMS = ("DateTime", "Period", "Age", "Range", "Timing", "Instant", "String", "Boolean")


@cache
def _forms_of(stem: str) -> frozenset[str]:
    return frozenset(stem + form for form in _FORMS)


def _read_first(resource: Json, stem: str, where: str, reading: Reading) -> When:
    name = stem + "DateTime"
    if name in resource:
        start = read_date(resource, name, where, reading)
        if start.at is not None:
            return When(start)
    name = stem + "Period"
    if name in resource:
        start, end = read_period(resource, name, where, reading)
        if start.at is not None or end.at is not None:
            return When(start, end)
    return _read_rare(resource, stem, where, reading)


def read_timing(timing: object, where: str, reading: Reading) -> tuple[Date, Date]:
    """Return the bounds of a Timing: its events, or else the period that it is bound to."""
    fields = read_object(timing)
    events = fields.get("event")
    events = events[:MOST_EVENTS] if type(events) is list else [events] if events else []
    dates = [
        read_date({"event": event}, "event", where, reading)
        for event in events
        if event is not None
    ]
    known = sorted(date for date in dates if date.at is not None)
    if known:
        return known[0], known[-1] if len(known) > 1 else NO_DATE
    repeat = read_object(fields.get("repeat"))
    return read_period(repeat, "boundsPeriod", f"{where}.repeat", reading)


def read_bounds(dosages: object, where: str, reading: Reading) -> tuple[Date, Date]:
    """Return the first start and the last end of the timings of dosages."""
    bounds = [
        read_timing(dosage["timing"], f"{where}.timing", reading)
        for dosage in read_objects(dosages)
        if dosage.get("timing") is not None
    ]
    starts = [start for start, _ in bounds if start.at is not None]
    ends = [end for _, end in bounds if end.at is not None]
    # A dosage without an end may continue after the others.
    is_open = len(ends) < len(bounds)
    return min(starts, default=NO_DATE), NO_DATE if is_open else max(ends, default=NO_DATE)


def _read_rare(resource: Json, stem: str, where: str, reading: Reading) -> When:
    age = resource.get(stem + "Age")
    if age is not None:
        read = read_age(age, f"{where}.{stem}Age", reading)
        return When(start_age=read, text=describe_age(age))
    ages = resource.get(stem + "Range")
    if ages is not None:
        return _read_range(read_object(ages), f"{where}.{stem}Range", reading)
    timing = resource.get(stem + "Timing")
    if timing is not None:
        start, end = read_timing(timing, f"{where}.{stem}Timing", reading)
        return When(start, end)
    if resource.get(stem + "Instant") is not None:
        return When(read_date(resource, stem + "Instant", where, reading))
    text = read_text(resource.get(stem + "String"), LONGEST_DISPLAY)
    if text is not None:
        date, words = find_bound(text, reading.zone)
        return When(date, start_age=words, text=text)
    if read_flag(resource.get(stem + "Boolean"), f"{where}.{stem}Boolean", reading):
        return When(text="true")
    return NEVER_SAID


def _read_range(ages: Json, where: str, reading: Reading) -> When:
    low, high = ages.get("low"), ages.get("high")
    words = [describe_age(age) for age in (low or EMPTY, high or EMPTY)]
    return When(
        start_age=read_age(low, f"{where}.low", reading),
        end_age=read_age(high, f"{where}.high", reading),
        text=" - ".join(word or "…" for word in words) if any(words) else None,
    )
