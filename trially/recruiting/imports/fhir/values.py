"""Read FHIR's primitive values. A value of the wrong JSON type is an error, or counts as absent."""

import datetime as dt
import re
from functools import lru_cache
from typing import Any, cast

from trially.plain_text import is_plain, to_plain
from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.imports.fhir.rows import LONGEST_CODE, LONGEST_ID, ResourceError
from trially.recruiting.imports.urns import id_of_urn

Json = dict[str, Any]
Date = tuple[str | None, str | None]
"""A UTC instant and its precision: `year`, `month`, `day` or `instant`."""

EMPTY: Json = {}
"""The value of an absent object. It is shared, so it must not be changed."""

NO_DATE: Date = (None, None)
LONGEST_DATE = 48
LONGEST_REFERENCE = 1024

_ID = re.compile(rf"[A-Za-z0-9.-]{{1,{LONGEST_ID}}}")
ID_RULE = f"an id of 1 to {LONGEST_ID} letters, digits, hyphens and dots"

# More lenient than FHIR: seconds are optional, a space may replace the T, and UTC is the default.
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
    r"([Zz]|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_EARLIEST = dt.datetime(1, 1, 1)  # noqa: DTZ001 - all times here are UTC
_LATEST = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001

# Types that subjects and encounters refer to. A reason names only these, as others could be PHI.
_NAMED_TYPES = frozenset(
    "CareTeam Device Encounter EpisodeOfCare Group HealthcareService Location Medication "  # noqa: SIM905
    "Organization Patient Person Practitioner PractitionerRole Procedure RelatedPerson "
    "Specimen Substance".split()
)


def read_object(value: object) -> Json:
    """Return the value if it is an object, else an empty object."""
    return value if type(value) is dict else EMPTY


def read_objects(value: object) -> list[Json]:
    """Return the objects of a list. A single object counts as a list of one."""
    if type(value) is list:
        return [item for item in value if type(item) is dict]
    return [value] if type(value) is dict else []


def read_text(value: object, longest: int, *, keep_lines: bool = False) -> str | None:
    """Return a string, stripped and cut to `longest` characters; None for any other type.

    Characters that change how a text is read, or that PostgreSQL rejects, are removed
    (`trially.plain_text`). `keep_lines` keeps line feeds and tabs.
    """
    if type(value) is not str:
        return None
    return to_plain(value, keep_lines=keep_lines).strip()[:longest] or None


def read_code(value: object, where: str, longest: int = LONGEST_CODE) -> str | None:
    """Return a string. An error if it is too long or has control characters.

    A code that was cut or cleaned would have another meaning.
    """
    if value is None:
        return None
    if type(value) is not str:
        raise ResourceError(where, "is not a string")
    text = value.strip()
    if not is_plain(text):
        raise ResourceError(where, "has control characters")
    if len(text) > longest:
        raise ResourceError(where, f"is longer than {longest} characters")
    return text or None


def read_flag(value: object, where: str) -> bool | None:
    """Return a Boolean, or None if the value is absent."""
    if value is None or type(value) is bool:
        return value
    raise ResourceError(where, "is not true or false")


def read_id(resource: Json) -> str:
    """Return the resource's id."""
    where = f"{resource['resourceType']}.id"
    resource_id = resource.get("id")
    if resource_id is None:
        raise ResourceError(where, "is missing", FaultCode.INVALID_ID)
    if not is_id(resource_id):
        raise ResourceError(where, f"is not {ID_RULE}", FaultCode.INVALID_ID)
    return cast("str", resource_id)


def is_id(value: object) -> bool:
    """Return whether a value is an id by FHIR's rule."""
    return type(value) is str and _ID.fullmatch(value) is not None


def read_date(holder: Json, element: str, where: str) -> Date:
    """Return the first instant, in UTC, of a date or dateTime."""
    value = holder.get(element)
    if value is None or value == "":
        return NO_DATE
    date = None
    if type(value) is str and len(value) <= LONGEST_DATE:
        date = _parse_date(value)
    if date is None:
        raise ResourceError(f"{where}.{element}", "is not a date")
    return date


def read_period(holder: Json, element: str, where: str) -> tuple[Date, Date]:
    """Return the start and the end of a Period."""
    period = holder.get(element)
    if period is None:
        return NO_DATE, NO_DATE
    where = f"{where}.{element}"
    if type(period) is not dict:
        raise ResourceError(where, "is not an object")
    return read_date(period, "start", where), read_date(period, "end", where)


def read_reference(value: object, target_type: str, where: str) -> str:
    """Return the id in a literal reference to a resource of the target type."""
    if value is None:
        raise ResourceError(where, "is missing", FaultCode.INVALID_REFERENCE)
    if type(value) is not dict:
        raise ResourceError(where, "is not an object", FaultCode.INVALID_REFERENCE)
    reference = read_code(value.get("reference"), where, LONGEST_REFERENCE)
    problem = None
    if reference is None:
        problem = "has neither a literal reference nor an identifier with a value"
    elif "?" in reference:
        problem = "is a conditional reference, which is not supported here"
    elif reference.startswith("#"):
        problem = "refers to a contained resource, which is not supported here"
    if reference is None or problem is not None:
        raise ResourceError(where, problem or "is missing", FaultCode.INVALID_REFERENCE)
    kind, target_id = _split_reference(reference)
    if target_id is None:
        problem = f"is not a reference of the form {target_type}/id"
        raise ResourceError(where, problem, FaultCode.INVALID_REFERENCE)
    if kind is None:
        kind = read_text(value.get("type"), LONGEST_CODE) or target_type
    refuse_other_type(kind, target_type, where)
    if not is_id(target_id):
        raise ResourceError(where, f"does not end in {ID_RULE}", FaultCode.INVALID_REFERENCE)
    return target_id


def refuse_other_type(kind: str, target_type: str, where: str) -> None:
    """Raise `ResourceError` if a reference is to another type than it should be."""
    if kind != target_type:
        other = f"to {kind}" if kind in _NAMED_TYPES else "to another resource type"
        problem = f"refers {other}, not to {target_type}"
        raise ResourceError(where, problem, FaultCode.INVALID_REFERENCE)


def find_reference(value: object, target_type: str, where: str) -> str | None:
    """Return the id in a reference, or None if `read_reference` would raise an error."""
    if value is None:
        return None
    try:
        return read_reference(value, target_type, where)
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
    except OverflowError:  # some sources write 9999-12-31T23:59:59-05:00 for "no end"
        moment = _LATEST if year == "9999" else _EARLIEST
    return f"{moment.isoformat()}Z", "instant"


def _time_of_day(hour: int, minute: int, second: int, fraction: str | None) -> dt.timedelta | None:
    """Return the time since midnight. 24:00 and a leap second belong to the next day or minute."""
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
    """Return the type, or None if the reference has none, and the id."""
    if reference[:4].lower() == "urn:":
        return None, id_of_urn(reference)
    path = reference.partition("#")[0].partition("/_history/")[0].rstrip("/")
    kind, slash, target_id = path.rpartition("/")
    if not slash:
        return None, None
    return kind.rpartition("/")[2], target_id
