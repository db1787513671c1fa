"""Results that exist only inside of another resource: contained Observations."""

import hashlib
from collections.abc import Iterator
from typing import Any

from trially.recruiting.imports.fhir.values import is_id, read_objects

_HOLDERS = frozenset({"DiagnosticReport", "Observation"})
_SHARED = (
    "status",
    "subject",
    "encounter",
    "context",
    "effectiveDateTime",
    "effectivePeriod",
    "issued",
)
_TIMES = ("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant")
MOST_RESULTS = 1_000


def with_contained_results(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a resource, and the Observations that it contains as resources of their own.

    The id of a contained Observation is `<id of the resource>.<its own id>`. What it does not say
    itself is that of the resource: status, subject, encounter and times.
    """
    yield resource
    if "contained" not in resource or resource.get("resourceType") not in _HOLDERS:
        return
    holder_id = resource.get("id")
    if not is_id(holder_id):
        return
    for contained in read_objects(resource["contained"])[:MOST_RESULTS]:
        if contained.get("resourceType") == "Observation" and is_id(contained.get("id")):
            yield _complete(contained, resource, f"{holder_id}.{contained['id']}")


def _complete(contained: dict[str, Any], holder: dict[str, Any], full_id: str) -> dict[str, Any]:
    shared = {name: holder[name] for name in _SHARED if name in holder}
    if any(name in contained for name in _TIMES):
        shared = {name: value for name, value in shared.items() if name not in _TIMES}
    complete = {**shared, **contained, "id": full_id if is_id(full_id) else _shorten(full_id)}
    if "meta" in holder:
        complete["meta"] = holder["meta"]
    return complete


def _shorten(full_id: str) -> str:
    return hashlib.blake2b(full_id.encode(), digest_size=16).hexdigest()
