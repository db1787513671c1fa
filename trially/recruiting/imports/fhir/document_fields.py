"""Read the fields of documents: dates, versions, authors and encounters."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import NamedTuple

from trially.recruiting.imports.fhir.rows import LONGEST_AUTHOR, LONGEST_TITLE
from trially.recruiting.imports.fhir.values import (
    Json,
    find_reference,
    read_date,
    read_objects,
    read_text,
)

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)\Z")
_UTC_OFFSET = 0
_VERSION_NUMBER = re.compile(r"[0-9]{1,18}")


class When(NamedTuple):
    """A document's date, its precision, and the UTC offset that the source wrote, in minutes."""

    at: str | None = None
    precision: str | None = None
    offset: int | None = None


def read_when_written(holder: Json, element: str, where: str | None = None) -> When:
    """Return a date with its precision, and the UTC offset that the source wrote."""
    at, precision = read_date(holder, element, where or str(holder.get("resourceType")))
    offset: int | None = None
    if precision == "instant":
        text = str(holder[element]).strip()
        match = _OFFSET.search(text)
        if match is not None:
            sign, hours, minutes = match.groups()
            offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1)
        elif text[-1:] in "Zz":
            offset = _UTC_OFFSET
    return When(at, precision, offset)


def first_date(*dates: When) -> When:
    """Return the first date that is known."""
    return next((date for date in dates if date.at is not None), When())


def local_day(when: When) -> str | None:
    """Return the day of a date in its source's own time."""
    if when.at is None:
        return None
    at = dt.datetime.fromisoformat(when.at)
    try:
        local = at + dt.timedelta(minutes=when.offset or 0)
    except OverflowError:
        local = at
    return local.date().isoformat()


def find_version_time(meta: Json) -> str | None:
    """Return `meta.lastUpdated`."""
    updated, precision = read_date(meta, "lastUpdated", "meta")
    return updated if precision == "instant" else None


def find_version_number(meta: Json) -> int | None:
    """Return `meta.versionId`, if it is a number."""
    version = meta.get("versionId")
    if type(version) is not str or not _VERSION_NUMBER.fullmatch(version):
        return None
    return int(version)


def find_encounter(encounters: Sequence[Json]) -> str | None:
    """Return the id of the first Encounter among references."""
    found = (find_reference(each, "Encounter", "encounter") for each in encounters)
    return next((each for each in found if each is not None), None)


def read_authors(resource: Json, references: Sequence[Json]) -> str | None:
    """Return the names of authors: as displayed, of contained resources, or the references."""
    contained = {each.get("id"): each for each in read_objects(resource.get("contained"))}
    names: list[str] = []
    for reference in references:
        target = reference.get("reference")
        name = read_text(reference.get("display"), LONGEST_AUTHOR)
        if name is None and type(target) is str and target.startswith("#"):
            name = _read_name(contained.get(target[1:]))
        name = name or read_text(target, LONGEST_AUTHOR)
        if name and name not in names:
            names.append(name)
    return "; ".join(names)[:LONGEST_AUTHOR] or None


def _read_name(resource: Json | None) -> str | None:
    """Return the name of a contained Practitioner, Organization or other author."""
    value = (resource or {}).get("name")
    if type(value) is str:
        return read_text(value, LONGEST_AUTHOR)
    for name in read_objects(value):
        parts = [
            *_texts(name.get("prefix")),
            *_texts(name.get("given")),
            *_texts(name.get("family")),
        ]
        full = read_text(name.get("text"), LONGEST_AUTHOR) or " ".join(parts)
        if full:
            return full[:LONGEST_AUTHOR]
    return None


def _texts(value: object) -> list[str]:
    values = value if type(value) is list else [value]
    return [text for each in values if (text := read_text(each, LONGEST_AUTHOR))]


def first_text(*values: object) -> str | None:
    """Return the first text, as long as a title may be."""
    texts = (read_text(value, LONGEST_TITLE) for value in values)
    return next((text for text in texts if text), None)
