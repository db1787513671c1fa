"""Take the resources out of Bundles."""

from collections.abc import Iterator
from typing import Any

from ijson.backends import yajl2_c

from trially.recruiting.imports.reading.byte_sources import CHUNK_BYTES, ByteSource

Json = dict[str, Any]
Found = tuple[str, int, Json | None, str | None] | None
"""File, number, and the resource or what is wrong; None for what is passed over in silence."""

NOT_JSON = "This is not valid JSON."
DEEPEST_ENTRY = 200
MOST_NESTED_BUNDLES = 4


class TooDeepError(ValueError):
    """JSON is nested deeper than any resource is."""


def read_bundle(name: str, bundle: Json, nesting: int = 0) -> Iterator[Found]:
    """Yield what each entry of a Bundle holds, its references resolved within the Bundle."""
    entries = bundle.get("entry")
    if entries is None:
        return
    if type(entries) is not list:
        yield name, 1, None, "Bundle.entry is not a list."
        return
    addresses = _read_addresses(entries)
    for number, entry in enumerate(entries, 1):
        yield from read_entry(name, number, entry, addresses, nesting)


def read_entry(
    name: str, number: int, entry: object, addresses: dict[str, str], nesting: int = 0
) -> Iterator[Found]:
    """Yield what an entry holds: one resource, or those of a Bundle within it."""
    if type(entry) is not dict:
        yield name, number, None, "The entry is not a JSON object."
        return
    request = entry.get("request")
    resource = entry.get("resource")
    if type(request) is dict and request.get("method") == "DELETE":
        yield name, number, None, "The entry is a deletion, which is not supported."
    elif resource is None:
        yield None
    elif type(resource) is not dict:
        yield name, number, None, "The entry's resource is not a JSON object."
    elif resource.get("resourceType") != "Bundle":
        _set_id(resource, entry)
        if addresses:
            _resolve_references(resource, addresses)
        yield name, number, resource, None
    elif nesting < MOST_NESTED_BUNDLES:  # a batch of searches is answered by Bundles in a Bundle
        yield from read_bundle(f"{name}!{number}", resource, nesting + 1)
    else:
        yield name, number, None, "The entry is nested in too many Bundles."


def _read_addresses(entries: list[Any]) -> dict[str, str]:
    """Return the entries' references, `Type/id`, by their full addresses."""
    addresses = {}
    for entry in entries:
        if type(entry) is dict and type(entry.get("resource")) is dict:
            resource, address = entry["resource"], entry.get("fullUrl")
            kind, found = resource.get("resourceType"), _find_id(resource, entry)
            if type(address) is str and type(kind) is str and found:
                addresses[address.partition("/_history/")[0]] = f"{kind}/{found}"
    return addresses


def _find_id(resource: Json, entry: Json) -> str | None:
    """Return the resource's id, or else the one in the entry's address."""
    if resource.get("id") is not None:
        found = resource["id"]
        return found if type(found) is str else None
    address = entry.get("fullUrl")
    if type(address) is str and address[:4].lower() == "urn:":
        return address.rpartition(":")[2] or None
    request = entry.get("request")
    if type(address) is not str and type(request) is dict and request.get("method") == "PUT":
        address = request.get("url")
    if type(address) is not str or "?" in address:
        return None
    kind, _, found = address.partition("/_history/")[0].rpartition("/")
    return found if kind.rpartition("/")[2] == resource.get("resourceType") else None


def _set_id(resource: Json, entry: Json) -> None:
    if resource.get("id") is None and (found := _find_id(resource, entry)):
        resource["id"] = found


def _resolve_references(resource: Json, addresses: dict[str, str]) -> None:
    """Write `Type/id` for each reference to another entry of the Bundle."""
    waiting: list[Any] = [resource]
    while waiting:
        node = waiting.pop()
        if type(node) is list:
            waiting.extend(item for item in node if type(item) is dict or type(item) is list)
            continue
        for key, value in node.items():
            if type(value) is dict or type(value) is list:
                waiting.append(value)
            elif key == "reference" and type(value) is str:
                node[key] = addresses.get(value.partition("/_history/")[0], value)


def stream_entries(source: ByteSource) -> Iterator[Any]:
    """Yield the entries of one or more Bundles that are too large to hold.

    This builds from ijson's basic events: its ready-made `items` keeps the whole path of every
    open bracket, so a few hundred kilobytes of brackets take all the memory there is.
    """
    depth = 0
    top_key: str | None = None
    is_in_entries = False
    open_nodes: list[Any] = []
    keys: list[str] = []
    for event, value in yajl2_c.basic_parse(
        source, use_float=True, multiple_values=True, buf_size=CHUNK_BYTES
    ):
        if event == "map_key":
            if open_nodes:
                keys[-1] = value
            elif depth == 1:
                top_key = value
            continue
        if event in ("end_map", "end_array"):
            depth -= 1
            if not open_nodes:
                is_in_entries = is_in_entries and depth > 1
                continue
            value = open_nodes.pop()
            keys.pop()
        elif event in ("start_map", "start_array"):
            depth += 1
            if depth > DEEPEST_ENTRY:
                raise TooDeepError("JSON is nested too deep.")
            if open_nodes or (is_in_entries and depth == 3):
                open_nodes.append({} if event == "start_map" else [])
                keys.append("")
            elif depth == 2 and event == "start_array":
                is_in_entries = top_key == "entry"
            continue
        if open_nodes:
            parent = open_nodes[-1]
            if type(parent) is dict:
                parent[keys[-1]] = value
            else:
                parent.append(value)
        elif is_in_entries and depth == 2:
            yield value
