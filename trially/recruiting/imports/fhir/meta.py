"""Read which version of a record a resource is."""

import datetime as dt
from typing import Any, NamedTuple

from trially.recruiting.imports.fhir.dates import LONGEST_DATE, parse_date
from trially.recruiting.imports.fhir.reading_state import UTC
from trially.recruiting.imports.fhir.values import Json, read_object

MOST_DIGITS = 18
"""More digits do not fit into a `bigint`."""


class Version(NamedTuple):
    """When a source wrote a version, and its number; null if the source does not say so."""

    at: str | None = None
    """An instant in UTC, in ISO 8601."""

    number: int | None = None

    def is_newer_than(self, other: "Version") -> bool:
        """Return whether this version is newer for certain."""
        if self.at is not None and other.at is not None and self.at != other.at:
            # As texts, `10:00:00.5Z` would come before `10:00:00Z`.
            return dt.datetime.fromisoformat(self.at) > dt.datetime.fromisoformat(other.at)
        return self.number is not None and other.number is not None and self.number > other.number


NO_VERSION = Version()


def read_version(resource: Json) -> Version:
    """Return the version in `meta`. Values that cannot be read count as absent."""
    meta = read_object(resource.get("meta"))
    if "lastUpdated" not in meta and "versionId" not in meta:
        return NO_VERSION
    return Version(read_instant(meta, "lastUpdated"), read_number(meta.get("versionId")))


def read_instant(holder: Json, element: str) -> str | None:
    """Return a time in UTC, None if it is absent or cannot be read."""
    value = holder.get(element)
    if type(value) is not str or len(value) > LONGEST_DATE:
        return None
    date = parse_date(value, UTC)
    return None if date is None else date.at


def read_number(value: Any) -> int | None:
    """Return the number of a version, also of an ETag such as `W/"3"`; None if it is none."""
    if type(value) is int:
        value = str(value)
    if type(value) is not str:
        return None
    text = value.strip().removeprefix("W/").strip('"')
    if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS:
        return int(text)
    return None
