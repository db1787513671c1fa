"""Stream the entries of Bundles, or the items of an array, that are too large for memory."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from ijson.backends import yajl2_c

from trially.recruiting.imports.exact_numbers import as_written
from trially.recruiting.imports.reading.byte_sources import CHUNK_BYTES

DEEPEST_ENTRY = 200
STREAMED = frozenset({"entry", "link"})
"""The lists of a Bundle whose items are streamed."""


class EntryError(Exception):
    """A large Bundle cannot be read on from here. The message is a sentence."""


class TooDeepError(ValueError):
    """JSON is nested deeper than any FHIR resource."""


class Readable(Protocol):
    """Anything that bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`. An empty result is the end."""


class StreamedItem(NamedTuple):
    """An item of a list, or the end of an object that is not a Bundle."""

    of: str
    """The list's name. Empty for an item of an array, or `resource` for the object."""
    value: Any
    has_duplicates: bool


class _BoundedSource:
    """A source that ends with an error if more bytes are read than one entry may have."""

    def __init__(self, source: Readable, most_bytes: int) -> None:
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


def stream_items(source: Readable, most_bytes: int) -> Iterator[StreamedItem]:
    """Yield the items of the streamed lists of Bundles, or of an array, one at a time.

    Raises `EntryError` at an item of more than `most_bytes`, and a chunk.

    The items are built from ijson's basic events. `ijson.items` is not used: it keeps the path
    of every open bracket, so that a few hundred kilobytes of brackets exhaust the memory.
    """
    depth = 0
    item_depth = 3
    top_key = ""
    top_type: Any = None
    list_name: str | None = None
    has_duplicates = False
    open_nodes: list[Any] = []
    keys: list[str] = []
    bounded = _BoundedSource(source, most_bytes)
    for event, value in yajl2_c.basic_parse(
        bounded, use_float=False, multiple_values=True, buf_size=CHUNK_BYTES
    ):
        if event == "number":
            value = as_written(value)
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
                if depth < item_depth - 1:
                    list_name = None
                if depth == 0 and event == "end_map" and top_type != "Bundle":
                    yield StreamedItem("resource", None, has_duplicates=False)
                    bounded.begin_entry()
                continue
            value = open_nodes.pop()
            keys.pop()
        elif event in ("start_map", "start_array"):
            depth += 1
            if depth > DEEPEST_ENTRY:
                raise TooDeepError(f"JSON is nested in more than {DEEPEST_ENTRY} levels.")
            if depth == 1:
                item_depth = 3 if event == "start_map" else 2
                list_name = None if event == "start_map" else ""
                top_type = None
            elif open_nodes or (list_name is not None and depth == item_depth):
                open_nodes.append({} if event == "start_map" else [])
                keys.append("")
            elif depth == 2 and event == "start_array" and top_key in STREAMED:
                list_name = top_key
            continue
        if open_nodes:
            _attach(open_nodes[-1], keys[-1], value)
        elif list_name is not None and depth == item_depth - 1:
            yield StreamedItem(list_name, value, has_duplicates)
            has_duplicates = False
            bounded.begin_entry()
        elif depth == 1 and top_key == "resourceType":
            top_type = value


def _attach(parent: Any, key: str, value: Any) -> None:
    if type(parent) is dict:
        parent[key] = value
    else:
        parent.append(value)
