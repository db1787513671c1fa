"""Read FHIR's small values, whatever JSON type stands where they should be."""

import datetime as dt
import re
from functools import lru_cache
from typing import Any

from trially.recruiting.imports.fhir.rows import LONGEST_CODE, LONGEST_ID, ResourceError

Json = dict[str, Any]
Date = tuple[str | None, str | None]
"""A UTC instant and its precision: year, month, day or instant."""

NOTHING: Json = {}
"""Stands for an object that is not there; never written to."""

NO_DATE: Date = (None, None)
LONGEST_DATE = 48
LONGEST_REFERENCE = 1024

# Besides what FHIR allows: no seconds, a blank for the T, no offset (read as UTC).
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
    r"([Zz]|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_EARLIEST = dt.datetime(1, 1, 1)  # noqa: DTZ001 - the arithmetic below is UTC throughout
_LATEST = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001

# The types that subjects and encounters point to; only these may appear in a reason.
_NAMED_TYPES = frozenset(
    "CareTeam Device Encounter EpisodeOfCare Group HealthcareService Location Medication "  # noqa: SIM905
    "Organization Patient Person Practitioner PractitionerRole Procedure RelatedPerson "
    "Specimen Substance".split()
)


def read_object(value: object) -> Json:
    """Return the object, or an empty one for anything else."""
    return value if type(value) is dict else NOTHING


def read_objects(value: object) -> list[Json]:
    """Return a list's objects; a single object counts as a list of one."""
    if type(value) is list:
        return [item for item in value if type(item) is dict]
    return [value] if type(value) is dict else []


def read_text(value: object, longest: int) -> str | None:
    """Return a string without what PostgreSQL refuses, cut to length; None for other types."""
    if type(value) is not str:
        return None
    if not value.isascii():
        value = value.encode("utf-8", "ignore").decode()  # drops lone surrogates
    if "\0" in value:
        value = value.replace("\0", "")
    return value.strip()[:longest] or None


def read_code(value: object, where: str, longest: int = LONGEST_CODE) -> str | None:
    """Return a string that means nothing when cut: too long a one is an error."""
    if value is None:
        return None
    if type(value) is not str:
        raise ResourceError(f"{where} is not a string", where)
    text = read_text(value, longest + 1)
    if text is not None and len(text) > longest:
        raise ResourceError(f"{where} is longer than {longest} characters", where)
    return text


def read_flag(value: object, where: str) -> bool | None:
    """Return true, false, or None where nothing is said."""
    if value is None or type(value) is bool:
        return value
    raise ResourceError(f"{where} is not true or false", where)


def read_id(resource: Json) -> str:
    """Return the resource's id."""
    where = f"{resource['resourceType']}.id"
    found = read_code(resource.get("id"), where, LONGEST_ID)
    if found is None:
        raise ResourceError(f"{where} is missing", where)
    return found


def read_date(holder: Json, element: str, where: str) -> Date:
    """Return the instant, in UTC, at which a date or dateTime begins."""
    value = holder.get(element)
    if value is None or value == "":
        return NO_DATE
    found = None
    if type(value) is str and len(value) <= LONGEST_DATE:
        found = _parse_date(value)
    if found is None:
        raise ResourceError(f"{where}.{element} is not a date", f"{where}.{element}")
    return found


def read_period(holder: Json, element: str, where: str) -> tuple[Date, Date]:
    """Return the start and the end of a Period."""
    period = holder.get(element)
    if period is None:
        return NO_DATE, NO_DATE
    where = f"{where}.{element}"
    if type(period) is not dict:
        raise ResourceError(f"{where} is not an object", where)
    return read_date(period, "start", where), read_date(period, "end", where)


def read_reference(value: object, wanted: str, where: str) -> str:
    """Return the id that a literal reference points to, which must be of the wanted type."""
    if value is None:
        raise ResourceError(f"{where} is missing", where)
    if type(value) is not dict:
        raise ResourceError(f"{where} is not an object", where)
    reference = read_code(value.get("reference"), where, LONGEST_REFERENCE)
    if reference is None:
        raise ResourceError(f"{where} has no literal reference", where)
    if "?" in reference:
        raise ResourceError(f"{where} is a search-style reference, which cannot be followed", where)
    if reference.startswith("#"):
        raise ResourceError(f"{where} is a contained resource, which is not read", where)
    kind, found = _split_reference(reference)
    if kind is None:
        kind = read_text(value.get("type"), LONGEST_CODE) or wanted
    if kind != wanted:
        other = f"a {kind}" if kind in _NAMED_TYPES else "another kind of resource"
        raise ResourceError(f"{where} is {other}, not a {wanted}", where)
    found = read_text(found, LONGEST_ID + 1)
    if found is None or len(found) > LONGEST_ID:
        raise ResourceError(f"{where} is not a usable reference", where)
    return found


def find_reference(value: object, wanted: str, where: str) -> str | None:
    """Return the id that a reference points to, or None where it cannot be followed."""
    if value is None:
        return None
    try:
        return read_reference(value, wanted, where)
    except ResourceError:
        return None


@lru_cache(maxsize=65_536)
def _parse_date(text: str) -> Date | None:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = dt.datetime(int(year), int(month or 1), int(day or 1))  # noqa: DTZ001
    except ValueError:
        return None
    if hour is None:
        precision = "day" if day else "month" if month else "year"
        return f"{moment.isoformat()}Z", precision
    elapsed = _time_of_day(int(hour), int(minute), int(second or 0), fraction)
    offset = _offset(zone)
    if elapsed is None or offset is None:
        return None
    try:
        moment += elapsed - offset
    except OverflowError:  # 9999-12-31T23:59:59-05:00 is how some say "for ever"
        moment = _LATEST if year == "9999" else _EARLIEST
    return f"{moment.isoformat()}Z", "instant"


def _time_of_day(hour: int, minute: int, second: int, fraction: str | None) -> dt.timedelta | None:
    """Return the time since midnight; 24:00 and a leap second run into what follows."""
    ends_day = hour == 24 and minute == 0 and second == 0 and not int(fraction or 0)
    if (hour > 23 and not ends_day) or minute > 59 or second > 60:
        return None
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    return dt.timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microseconds)


def _offset(zone: str | None) -> dt.timedelta | None:
    if zone is None or zone in "Zz":
        return dt.timedelta()
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 15 or minutes > 59:
        return None
    offset = dt.timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset


@lru_cache(maxsize=16_384)
def _split_reference(reference: str) -> tuple[str | None, str | None]:
    """Return the type, where the reference names one, and the id."""
    if reference[:4].lower() == "urn:":
        return None, reference.rpartition(":")[2]
    path = reference.partition("#")[0].partition("/_history/")[0].rstrip("/")
    kind, slash, found = path.rpartition("/")
    if not slash:
        return None, None
    return kind.rpartition("/")[2], found
