"""Read the resources of one patient from the body of a request."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from trially.duplicate_members import has_duplicate_members
from trially.http.codes import Code
from trially.http.problems import BadRequest, validation_failed
from trially.recruiting.imports.exact_numbers import with_exact_numbers
from trially.recruiting.imports.reading.bundles import read_wrapper
from trially.recruiting.imports.reading.records import Deletion, Located

MOST_BYTES = 10 << 20
MOST_RESOURCES = 10_000

PATIENT_DATA = "patientData"
"""The member of the body in which clients of mCODE's matching services send a Bundle."""

PREFERENCES = frozenset({"zipCode", "travelRadius", "phase", "recruitmentStatus"})
"""Parameters with which clients of mCODE's matching services narrow a search."""

_WRAPPERS = ("Bundle", "Parameters")


@dataclass
class Received:
    """What a body contains."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    unread: int = 0
    """Entries that are no resources."""
    preferences: set[str] = field(default_factory=set)
    """Those that the body names, of the known ones: other names could be PHI."""


def read_received(content: bytes) -> Received:
    """Return the resources of a body: a Bundle, Parameters, or either as `patientData`.

    References between entries of a Bundle are resolved. Answers 400 if the body is no JSON, and
    422 if it has another form, or too many resources.
    """
    body = _parse(content)
    if "resourceType" not in body:
        body = _patient_data(body)
    if body.get("resourceType") not in _WRAPPERS:
        raise _refused("", "Must be a Bundle or Parameters, or have one as `patientData`.")
    received = Received()
    for found in _wrapped(body):
        if found is None:
            received.unread += 1
        elif found.get("resourceType") == "Parameters":
            received.preferences |= _preferences(found)
        elif len(received.resources) == MOST_RESOURCES:
            raise _refused("", f"Must have at most {MOST_RESOURCES} resources.")
        else:
            received.resources.append(found)
    if body["resourceType"] == "Parameters":
        received.preferences |= _preferences(body)
    return received


def _wrapped(body: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    """Yield the resources of a wrapper, and None for each entry that cannot be read."""
    for result in read_wrapper("", 1, body):
        if result is None:
            continue
        found = result[2]
        if isinstance(found, Located):
            yield found.resource
        elif found is None or isinstance(found, Deletion):
            yield None
        else:
            yield found


def _parse(content: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.", code=Code.MALFORMED_JSON) from None
    if not isinstance(body, dict):
        raise _refused("", "Must be an object.")
    if has_duplicate_members(content, body):
        raise BadRequest("An object of the body names a member twice.", code=Code.MALFORMED_JSON)
    return dict(with_exact_numbers(content, body))


def _patient_data(body: dict[str, Any]) -> dict[str, Any]:
    """Return the member with the Bundle, which older clients write as a text of JSON."""
    found = body.get(PATIENT_DATA)
    if isinstance(found, str):
        return _parse(found.encode("utf-8", "surrogatepass"))
    if not isinstance(found, dict):
        raise _refused(f"/{PATIENT_DATA}", "Must be a Bundle.")
    return found


def _preferences(parameters: dict[str, Any]) -> set[str]:
    parts = parameters.get("parameter")
    if not isinstance(parts, list):
        return set()
    names = [each.get("name") for each in parts if isinstance(each, dict)]
    return {name for name in names if isinstance(name, str) and name in PREFERENCES}


def _refused(pointer: str, detail: str) -> Exception:
    return validation_failed([{"pointer": pointer, "detail": detail}])
