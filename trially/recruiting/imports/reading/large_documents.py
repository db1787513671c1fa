"""Read Bundles and arrays that are too large for memory, in two passes."""

import tempfile
from collections.abc import Iterator
from typing import IO

import ijson

from trially.recruiting.imports.faults import FaultCode, LineFault, fault
from trially.recruiting.imports.reading.bundles import (
    DUPLICATE_MEMBER,
    MORE_PAGES,
    ReadResult,
    has_next_page,
    read_entry,
    read_wrapper,
)
from trially.recruiting.imports.reading.byte_sources import ByteSource
from trially.recruiting.imports.reading.entry_streams import (
    EntryError,
    Readable,
    StreamedItem,
    stream_items,
)
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.reference_maps import (
    LargeReferenceMap,
    find_references,
    large_reference_map,
)

NOT_JSON = fault(FaultCode.INVALID_JSON, "The content is not valid JSON.")
NO_BUNDLE = fault(
    FaultCode.NOT_SUPPORTED,
    "The file has a resource beside its Bundles. Write such a large file with one resource on each"
    " line (NDJSON).",
)


def read_large(name: str, source: ByteSource, meter: InputMeter) -> Iterator[ReadResult]:
    """Yield the resources of large Bundles, or of a large array.

    The first pass copies the file to one without a name, and reads the full URLs of the entries.
    The second pass resolves the references between them.
    """
    with tempfile.TemporaryFile() as copy, large_reference_map() as references:
        has_more_pages = _read_urls(_Copying(source, copy), references, meter)
        if has_more_pages:
            yield name, 1, None, MORE_PAGES
        copy.seek(0)
        number = 0
        try:
            for item in _entries(copy, meter):
                number += 1
                yield from _read_item(name, number, item, references)
        except EntryError as error:
            yield name, number + 1, None, fault(FaultCode.TOO_LARGE, str(error))
        except (ijson.JSONError, ValueError):
            yield name, number + 1, None, fault_of_source(source) or NOT_JSON


def fault_of_source(source: ByteSource) -> LineFault | None:
    """Return the fault of a source that could not be read to its end."""
    if source.failure is None:
        return None
    return fault(FaultCode.DAMAGED_FILE, source.failure)


class _Copying:
    """A source whose bytes are copied to a file when they are read."""

    def __init__(self, source: ByteSource, copy: IO[bytes]) -> None:
        self._source = source
        self._copy = copy

    def read(self, size: int, /) -> bytes:
        content = self._source.read(size)
        self._copy.write(content)
        return content


def _read_urls(source: Readable, references: LargeReferenceMap, meter: InputMeter) -> bool:
    """Read the full URLs of all entries, and return whether there is a link to a next page."""
    has_more_pages = False
    try:
        for item in stream_items(source, meter.limits.most_line_bytes):
            meter.check_time()
            if item.of == "entry":
                references.add(find_references([item.value]))
            elif item.of == "link":
                has_more_pages = has_more_pages or has_next_page([item.value])
    except (EntryError, ijson.JSONError, ValueError):
        pass  # the second pass meets the same error at the same place
    return has_more_pages


def _entries(copy: IO[bytes], meter: InputMeter) -> Iterator[StreamedItem]:
    items = stream_items(copy, meter.limits.most_line_bytes)
    return (item for item in items if item.of != "link")


def _read_item(
    name: str, number: int, item: StreamedItem, references: LargeReferenceMap
) -> Iterator[ReadResult]:
    if item.has_duplicates:
        yield name, number, None, DUPLICATE_MEMBER
    elif item.of == "entry":
        yield from read_entry(name, number, item.value, references)
    elif item.of == "resource":
        yield name, number, None, NO_BUNDLE
    elif type(item.value) is dict:
        is_bundle = item.value.get("resourceType") == "Bundle"
        yield from read_wrapper(f"{name}!{number}" if is_bundle else name, number, item.value)
    else:
        reason = "The content is not a JSON object."
        yield name, number, None, fault(FaultCode.INVALID_JSON, reason)
