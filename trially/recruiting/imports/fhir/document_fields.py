"""Read the fields of documents: dates, authors, encounters and titles."""

from collections.abc import Sequence

from trially.recruiting.imports.fhir.dates import NO_DATE, Date
from trially.recruiting.imports.fhir.rows import LONGEST_AUTHOR, LONGEST_TITLE
from trially.recruiting.imports.fhir.values import (
    Json,
    find_reference,
    read_objects,
    read_text,
)


def first_date(*dates: Date) -> Date:
    """Return the first date that is known."""
    return next((date for date in dates if date.at is not None), NO_DATE)


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
