"""Read the resources of Bundles, and of other resources that wrap resources."""

from collections.abc import Iterator
from typing import Any

from trially.recruiting.imports.faults import FaultCode, LineFault, fault
from trially.recruiting.imports.reading.outcomes import fault_of_outcome, fault_of_response, is_gone
from trially.recruiting.imports.reading.records import Deletion, Located, read_deletion
from trially.recruiting.imports.reading.reference_maps import (
    ReferenceMap,
    find_id,
    find_references,
    resolve_references,
)
from trially.recruiting.sources.server_urls import base_of

Json = dict[str, Any]
ReadResult = tuple[str, int, Json | Located | Deletion | None, LineFault | None] | None
"""File, line or entry, and either what was read or the fault. None for a blank line or entry."""

DUPLICATE_MEMBER = fault(
    FaultCode.DUPLICATE_MEMBER, "The content has an object that names a member twice."
)
MORE_PAGES = fault(
    FaultCode.MORE_PAGES,
    "The Bundle is one page of several: it has a link to the next page. Load all pages, and import"
    " each.",
)
MOST_NESTED_BUNDLES = 4
MOST_NESTED_PARTS = 20
NO_REFERENCES: dict[str, str] = {}


def read_bundle(name: str, bundle: Json, nesting: int = 0) -> Iterator[ReadResult]:
    """Yield the resources of a Bundle. References between its entries become `Type/id`."""
    if has_next_page(bundle.get("link")):
        yield name, 1, None, MORE_PAGES
    entries = bundle.get("entry")
    if entries is None:
        return
    if type(entries) is not list:
        yield name, 1, None, fault(FaultCode.INVALID_JSON, "Bundle.entry is not a list.")
        return
    references, timestamp = dict(find_references(entries)), bundle.get("timestamp")
    for number, entry in enumerate(entries, 1):
        yield from read_entry(name, number, entry, references, nesting, timestamp)


def has_next_page(links: object) -> bool:
    """Return whether one of a Bundle's links leads to the next page."""
    return type(links) is list and any(
        type(link) is dict and link.get("relation") == "next" and link.get("url") for link in links
    )


def read_entry(
    name: str,
    number: int,
    entry: object,
    references: ReferenceMap,
    nesting: int = 0,
    timestamp: object = None,
) -> Iterator[ReadResult]:
    """Yield the resource of an entry or, if it is a Bundle, the resources of that Bundle.

    `references` maps the full URLs of the Bundle's entries to references. `timestamp` is the
    Bundle's.
    """
    if type(entry) is not dict:
        yield name, number, None, fault(FaultCode.INVALID_JSON, "The entry is not a JSON object.")
        return
    request = entry.get("request")
    resource = entry.get("resource")
    failed = fault_of_response(entry.get("response"))
    is_deletion = type(request) is dict and request.get("method") == "DELETE"
    if failed is not None and not (is_deletion and is_gone(entry.get("response"))):
        yield name, number, None, failed
    elif is_deletion:
        deletion = read_deletion(entry, timestamp)
        reason = "The entry is a DELETE request that does not name one record."
        bad = None if deletion else fault(FaultCode.NOT_SUPPORTED, reason)
        yield name, number, deletion, bad
    elif resource is None:
        yield None
    elif type(resource) is not dict:
        reason = "The resource of the entry is not a JSON object."
        yield name, number, None, fault(FaultCode.INVALID_JSON, reason)
    elif resource.get("resourceType") == "Bundle":
        yield from read_wrapper(f"{name}!{number}", number, resource, nesting + 1)
    else:
        if resource.get("id") is None and (resource_id := find_id(resource, entry)):
            resource["id"] = resource_id
        if references is not NO_REFERENCES:
            resolve_references(resource, references)
        yield from _located(
            entry.get("fullUrl"), resource, read_wrapper(name, number, resource, nesting)
        )


def _located(url: object, resource: Json, results: Iterator[ReadResult]) -> Iterator[ReadResult]:
    """Add the server's base URL to the resource of an entry."""
    kind = resource.get("resourceType")
    base_url = base_of(url, kind) if type(kind) is str else ""
    for result in results:
        if base_url and result is not None and result[2] is resource:
            yield result[0], result[1], Located(resource, base_url), None
        else:
            yield result


_WRAPPERS = frozenset({"Bundle", "OperationOutcome", "Parameters"})


def is_wrapper(resource: Json) -> bool:
    """Return whether a resource may wrap others, so that `read_wrapper` has to read it."""
    kind = resource.get("resourceType")
    return type(kind) is str and kind in _WRAPPERS


def read_wrapper(name: str, number: int, resource: Json, nesting: int = 0) -> Iterator[ReadResult]:
    """Yield a resource or, if it wraps others (Bundle, Parameters), the resources in it.

    An OperationOutcome that tells of an error is a fault.
    """
    kind = resource.get("resourceType")
    if nesting > MOST_NESTED_BUNDLES:  # the response to a batch of searches nests Bundles
        reason = f"The entry is nested in more than {MOST_NESTED_BUNDLES} Bundles or Parameters."
        yield name, number, None, fault(FaultCode.NOT_SUPPORTED, reason)
    elif kind == "Bundle":
        yield from read_bundle(name, resource, nesting)
    elif kind == "Parameters" and (wrapped := _resources_of(resource)):
        for each in wrapped:
            yield from read_wrapper(name, number, each, nesting + 1)
    elif kind == "OperationOutcome" and (reported := fault_of_outcome(resource)):
        yield name, number, None, reported
    else:
        yield name, number, resource, None


def _resources_of(parameters: Json) -> list[Json]:
    """Return the resources of Parameters, those of nested parts included, in their order."""
    resources: list[Json] = []
    pending = [(parameters.get("parameter"), 0)]
    while pending:
        parts, depth = pending.pop()
        for part in reversed(parts) if type(parts) is list else ():
            if type(part) is not dict or depth > MOST_NESTED_PARTS:
                continue
            if type(part.get("resource")) is dict:
                resources.append(part["resource"])
            pending.append((part.get("part"), depth + 1))
    return resources[::-1]
