"""Read the resources of Bundles."""

from collections.abc import Iterator
from typing import Any

from ijson.backends import yajl2_c

from trially.recruiting.imports.reading.byte_sources import CHUNK_BYTES, ByteSource

Json = dict[str, Any]
ReadResult = tuple[str, int, Json | None, str | None] | None
"""File, line or entry, and either the resource or the error. None for a blank line or entry."""

NOT_JSON = "The content is not valid JSON."
DUPLICATE_MEMBER = "The content has an object that names a member twice."
DEEPEST_ENTRY = 200
MOST_NESTED_BUNDLES = 4


class EntryError(Exception):
    """A large Bundle cannot be read on from here. The message is a sentence."""


class TooDeepError(ValueError):
    """JSON is nested deeper than any FHIR resource."""


class _BoundedSource:
    """A source that ends with an error if more bytes are read than one entry may have."""

    def __init__(self, source: ByteSource, most_bytes: int) -> None:
        self._source = source
        self._most_bytes = most_bytes
        self._read = 0

    def read(self, size: int) -> bytes:
        content = self._source.read(size)
        self._read += len(content)
        if self._read > self._most_bytes + size:
            raise EntryError(
                f"The entry is longer than {self._most_bytes:,} bytes. The rest was not imported."
            )
        return content

    def begin_entry(self) -> None:
        self._read = 0


def read_bundle(name: str, bundle: Json, nesting: int = 0) -> Iterator[ReadResult]:
    """Yield the resources of a Bundle. References between its entries become `Type/id`."""
    entries = bundle.get("entry")
    if entries is None:
        return
    if type(entries) is not list:
        yield name, 1, None, "Bundle.entry is not a list."
        return
    references = _read_references(entries)
    for number, entry in enumerate(entries, 1):
        yield from read_entry(name, number, entry, references, nesting)


def read_entry(
    name: str, number: int, entry: object, references: dict[str, str], nesting: int = 0
) -> Iterator[ReadResult]:
    """Yield the resource of an entry or, if it is a Bundle, the resources of that Bundle.

    `references` maps the full URLs of the Bundle's entries to `Type/id`.
    """
    if type(entry) is not dict:
        is_duplicate = entry is DUPLICATE_MEMBER
        reason = DUPLICATE_MEMBER if is_duplicate else "The entry is not a JSON object."
        yield name, number, None, reason
        return
    request = entry.get("request")
    resource = entry.get("resource")
    if type(request) is dict and request.get("method") == "DELETE":
        yield name, number, None, "The entry is a DELETE request, which is not supported."
    elif resource is None:
        yield None
    elif type(resource) is not dict:
        yield name, number, None, "The resource of the entry is not a JSON object."
    elif resource.get("resourceType") != "Bundle":
        _set_id(resource, entry)
        if references:
            _resolve_references(resource, references)
        yield name, number, resource, None
    elif nesting < MOST_NESTED_BUNDLES:  # the response to a batch of searches nests Bundles
        yield from read_bundle(f"{name}!{number}", resource, nesting + 1)
    else:
        reason = f"The entry is nested in more than {MOST_NESTED_BUNDLES} Bundles."
        yield name, number, None, reason


def _read_references(entries: list[Any]) -> dict[str, str]:
    """Return the references `Type/id` of entries by their full URLs."""
    references = {}
    for entry in entries:
        if type(entry) is dict and type(entry.get("resource")) is dict:
            resource, url = entry["resource"], entry.get("fullUrl")
            kind, resource_id = resource.get("resourceType"), _find_id(resource, entry)
            if type(url) is str and type(kind) is str and resource_id:
                references[url.partition("/_history/")[0]] = f"{kind}/{resource_id}"
    return references


def _find_id(resource: Json, entry: Json) -> str | None:
    """Return the resource's id, or else the id in the entry's URL."""
    if resource.get("id") is not None:
        resource_id = resource["id"]
        return resource_id if type(resource_id) is str else None
    url = entry.get("fullUrl")
    if type(url) is str and url[:4].lower() == "urn:":
        return url.rpartition(":")[2] or None
    request = entry.get("request")
    if type(url) is not str and type(request) is dict and request.get("method") == "PUT":
        url = request.get("url")
    if type(url) is not str or "?" in url:
        return None
    kind, _, resource_id = url.partition("/_history/")[0].rpartition("/")
    return resource_id if kind.rpartition("/")[2] == resource.get("resourceType") else None


def _set_id(resource: Json, entry: Json) -> None:
    if resource.get("id") is None and (resource_id := _find_id(resource, entry)):
        resource["id"] = resource_id


def _resolve_references(resource: Json, references: dict[str, str]) -> None:
    """Replace each reference to another entry of the Bundle by `Type/id`."""
    pending: list[Any] = [resource]
    while pending:
        node = pending.pop()
        if type(node) is list:
            pending.extend(item for item in node if type(item) is dict or type(item) is list)
            continue
        for key, value in node.items():
            if type(value) is dict or type(value) is list:
                pending.append(value)
            elif type(value) is str and (
                # Attachments have the URL of a Binary.
                key == "reference" or (key == "url" and value.startswith("urn:uuid:"))
            ):
                node[key] = references.get(value.partition("/_history/")[0], value)


def stream_entries(source: ByteSource, most_bytes: int) -> Iterator[Any]:
    """Yield the entries of Bundles that are too large for memory, one at a time.

    An entry that names a member twice is replaced by `DUPLICATE_MEMBER`. Raises `EntryError` at an
    entry of more than `most_bytes`, and a chunk.

    The entries are built from ijson's basic events. `ijson.items` is not used: it keeps the path
    of every open bracket, so that a few hundred kilobytes of brackets exhaust the memory.
    """
    depth = 0
    top_key: str | None = None
    is_in_entries = False
    has_duplicates = False
    open_nodes: list[Any] = []
    keys: list[str] = []
    bounded = _BoundedSource(source, most_bytes)
    for event, value in yajl2_c.basic_parse(
        bounded, use_float=True, multiple_values=True, buf_size=CHUNK_BYTES
    ):
        if event == "map_key":
            if open_nodes:
                keys[-1] = value
                has_duplicates = has_duplicates or value in open_nodes[-1]
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
                raise TooDeepError(f"JSON is nested in more than {DEEPEST_ENTRY} levels.")
            if open_nodes or (is_in_entries and depth == 3):
                open_nodes.append({} if event == "start_map" else [])
                keys.append("")
            elif depth == 2 and event == "start_array":
                is_in_entries = top_key == "entry"
            continue
        if open_nodes:
            _attach(open_nodes[-1], keys[-1], value)
        elif is_in_entries and depth == 2:
            yield DUPLICATE_MEMBER if has_duplicates else value
            has_duplicates = False
            bounded.begin_entry()


def _attach(parent: Any, key: str, value: Any) -> None:
    if type(parent) is dict:
        parent[key] = value
    else:
        parent.append(value)
