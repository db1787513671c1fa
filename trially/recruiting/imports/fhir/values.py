"""Read FHIR's primitive values. An element that cannot be read is a fault, and counts as absent."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from trially.plain_text import is_plain, to_plain
from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_CODE, LONGEST_ID, ResourceError
from trially.recruiting.imports.urns import id_of_urn

Json = dict[str, Any]

EMPTY: Json = {}
"""The value of an absent object. It is shared, so it must not be changed."""

LONGEST_REFERENCE = 1024

_ID = re.compile(rf"[A-Za-z0-9.-]{{1,{LONGEST_ID}}}")
ID_RULE = f"an id of 1 to {LONGEST_ID} letters, digits, hyphens and dots"
_NUMBERS = frozenset({int, float, Decimal})
_BOOLEANS = {"true": True, "false": False}

# Types that subjects and encounters refer to. A reason names only these, as others could be PHI.
_NAMED_TYPES = frozenset(
    "CareTeam Device Encounter EpisodeOfCare Group HealthcareService Location Medication "  # noqa: SIM905
    "Organization Patient Person Practitioner PractitionerRole Procedure RelatedPerson "
    "Specimen Substance".split()
)


def read_object(value: object) -> Json:
    """Return the value if it is an object, else an empty object. `unlisted` is applied first."""
    if type(value) is dict:
        return value
    value = unlisted(value)
    return value if type(value) is dict else EMPTY


def unlisted(value: object) -> object:
    """Return the only item of a list, and any other value as it is.

    Some sources write a list where FHIR has one value, as other versions of FHIR do.
    """
    return value[0] if type(value) is list and len(value) == 1 else value


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


def read_long_text(value: object, longest: int, where: str, reading: Reading) -> str | None:
    """Return a text with its lines. A fault if it is cut."""
    if type(value) is str and len(value) > longest:
        reading.lose(where, f"is longer than {longest:,} characters, and is cut")
    return read_text(value, longest, keep_lines=True)


def as_text(value: object) -> object:
    """Return an integer as the text that its JSON has, and any other value as it is.

    Some sources write identifiers as numbers.
    """
    return str(value) if type(value) is int else value


def is_clean(value: object, longest: int) -> bool:
    """Return whether a value is a string that `read_code` would return as it is."""
    return (
        type(value) is str
        and 0 < len(value) <= longest
        and value.isprintable()
        and len(value.strip()) == len(value)
    )


def read_code(
    value: object, where: str, reading: Reading, longest: int = LONGEST_CODE
) -> str | None:
    """Return a string. A fault if it is too long or has control characters.

    A code that was cut or cleaned would have another meaning.
    """
    if value is None:
        return None
    if type(value) is not str:
        reading.lose(where, "is not a string")
        return None
    text = value.strip()
    if not is_plain(text):
        reading.lose(where, "has control characters")
        return None
    if len(text) > longest:
        reading.lose(where, f"is longer than {longest} characters")
        return None
    return text or None


def read_flag(value: object, where: str, reading: Reading) -> bool | None:
    """Return a Boolean, or None if the value is absent.

    The strings `true` and `false` are read as well, and are faults.
    """
    if value is None or type(value) is bool:
        return value
    reading.lose(where, "is not true or false")
    return _BOOLEANS.get(value.strip().lower()) if type(value) is str else None


def is_number(value: object) -> bool:
    """Return whether a value is a number of JSON."""
    return type(value) in _NUMBERS


def write_number(number: float | Decimal) -> str:
    """Return a number as people write it, without an exponent if it is a `Decimal`."""
    return f"{number:f}" if type(number) is Decimal else str(number)


def require_flag(value: object, where: str, reading: Reading) -> bool:
    """Return whether a Boolean is true. Raises `ResourceError` if it cannot be read.

    For Booleans that turn a resource into its opposite: without them it must not be stored.
    """
    flag = read_flag(value, where, reading)
    if flag is None and value is not None:
        raise ResourceError(where, "is not true or false")
    return flag is True


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


def read_reference(value: object, target_type: str, where: str) -> str:
    """Return the id in a literal reference to a resource of the target type."""
    if type(value) is dict:
        target_id = find_common_id(value.get("reference"), target_type)
        if target_id is not None:
            return target_id
    if value is None:
        raise ResourceError(where, "is missing", FaultCode.INVALID_REFERENCE)
    if type(value) is not dict:
        raise ResourceError(where, "is not an object", FaultCode.INVALID_REFERENCE)
    reference = require_text(value.get("reference"), where, LONGEST_REFERENCE)
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


def find_target(value: object) -> tuple[str | None, str | None]:
    """Return the type and the id in a reference, each None if it has none."""
    link = read_object(value)
    reference = read_text(link.get("reference"), LONGEST_REFERENCE)
    kind, target_id = _split_reference(reference) if reference else (None, None)
    return kind or read_text(link.get("type"), LONGEST_CODE), target_id


def require_text(value: object, where: str, longest: int) -> str | None:
    """Return a string, None if it is absent. Raises `ResourceError` if it cannot be read."""
    if type(value) is str and len(value) <= longest and is_plain(value):
        return value.strip() or None
    faults = Reading()
    text = read_code(value, where, faults, longest)
    if faults.faults:
        raise faults.faults[0]
    return text


def find_common_id(reference: object, target_type: str) -> str | None:
    """Return the id in a reference such as `Patient/1`, None if it has to be looked at closely."""
    if type(reference) is str and len(reference) <= LONGEST_REFERENCE:
        return _find_common_id(reference, target_type)
    return None


@lru_cache(maxsize=16_384)
def _find_common_id(reference: str, target_type: str) -> str | None:
    text = reference.strip()
    if "?" in text or text.startswith("#") or not is_plain(reference):
        return None
    kind, target_id = _split_reference(text)
    return target_id if kind == target_type and is_id(target_id) else None


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
