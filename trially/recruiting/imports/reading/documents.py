"""Read the resources of NDJSON files, Bundles and single resources."""

import io
from collections.abc import Iterator

import ijson
import orjson
from ijson.backends import yajl2_c

from trially.duplicate_members import has_duplicate_members
from trially.recruiting.imports.reading.bundles import (
    DUPLICATE_MEMBER,
    NOT_JSON,
    EntryError,
    ReadResult,
    read_bundle,
    read_entry,
    stream_entries,
)
from trially.recruiting.imports.reading.byte_sources import CHUNK_BYTES, ByteSource

LARGEST_WHOLE_BYTES = 32 * 2**20
"""A Bundle up to this size is parsed at once, and its references are resolved.

The entries of a larger one are streamed, and its references stay as they are.
"""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_UTF8 = "The content is not valid UTF-8."
_NOT_OBJECT = "The content is not a JSON object."
_TOO_LARGE = (
    f"The file is larger than {LARGEST_WHOLE_BYTES // 2**20} MiB, and neither a Bundle nor NDJSON."
)


def read_document(name: str, source: ByteSource, most_line_bytes: int) -> Iterator[ReadResult]:
    """Yield the resources of one JSON or NDJSON file. Its content decides which of both it is.

    A line that is longer than `most_line_bytes` is an error, and so is an entry of a large Bundle.
    """
    if source.peek(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK:
        source.read(len(_BYTE_ORDER_MARK))
    blank_lines = source.skip_space()
    first_line = source.peek_line(LARGEST_WHOLE_BYTES)
    if not first_line:
        if source.failure is not None:
            yield name, 1, None, source.failure
        return
    is_ndjson = _is_ndjson(source, first_line)
    del first_line  # it may be large, and this frame lives until the file is read
    if is_ndjson:
        yield from _read_lines(name, source, blank_lines, most_line_bytes)
    elif len(source.peek(LARGEST_WHOLE_BYTES + 1)) <= LARGEST_WHOLE_BYTES:
        yield from _read_whole(name, source)
    else:
        yield from _read_streaming(name, source, most_line_bytes)


def _is_ndjson(source: ByteSource, first_line: bytes) -> bool:
    """Return whether a file holds one JSON value per line, instead of one JSON value.

    A file of one line is not NDJSON. A file with a bad first line is NDJSON if a later line is a
    resource.
    """
    if len(first_line) >= LARGEST_WHOLE_BYTES:
        return not _looks_like_bundle(first_line[:CHUNK_BYTES])
    is_only_line = len(source.peek(len(first_line) + 1)) == len(first_line)
    if is_only_line and source.failure is None:
        return False
    return _is_json(first_line) or _has_resource_after(
        source.peek(LARGEST_WHOLE_BYTES), len(first_line)
    )


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _has_resource_after(head: bytes, start: int) -> bool:
    """Return whether a line after position `start` is a resource."""
    for line in io.BytesIO(head[start:]):
        if line.startswith(b"{") and b'"resourceType"' in line and _is_json(line):
            return True
    return False


def _looks_like_bundle(head: bytes) -> bool:
    """Return whether JSON with this beginning is a Bundle."""
    depth, key = 0, None
    try:
        for event, value in yajl2_c.basic_parse(io.BytesIO(head), use_float=True):
            if event.startswith("start_"):
                depth += 1
            elif event.startswith("end_"):
                depth -= 1
            elif depth == 1 and event == "map_key":
                key = value
                if key == "entry":
                    return True
            elif depth == 1 and key == "resourceType":
                return bool(value == "Bundle")
    except (ijson.JSONError, UnicodeDecodeError):
        pass
    return False


def _read_whole(name: str, source: ByteSource) -> Iterator[ReadResult]:
    content = b"".join(source.chunks())
    if source.failure is not None:  # half a Bundle would be imported as if it were complete
        yield name, 1, None, source.failure
        return
    yield from _read_value(name, 1, content, name)


def _read_lines(
    name: str, source: ByteSource, blank_lines: int, most_bytes: int
) -> Iterator[ReadResult]:
    for _ in range(blank_lines):
        yield None
    number = blank_lines
    for line in _split_lines(source, most_bytes):
        number += 1
        if line is None or len(line) > most_bytes:
            yield name, number, None, f"The line is longer than {most_bytes:,} bytes."
        elif not line or line.isspace():
            yield None
        else:
            yield from _read_value(name, number, line, f"{name}!{number}")
    if source.failure is not None:
        yield name, number + 1, None, source.failure


def _split_lines(source: ByteSource, most_bytes: int) -> Iterator[bytes | None]:
    """Yield each line, or None for a line that is longer than `most_bytes`."""
    pieces: list[bytes] = []
    length = 0
    for chunk in source.chunks():
        first, *lines = chunk.split(b"\n")
        length += len(first)
        if length <= most_bytes:
            pieces.append(first)
        else:
            pieces.clear()
        if lines:
            yield b"".join(pieces) if length <= most_bytes else None
            last = lines.pop()
            yield from lines
            pieces, length = [last], len(last)
    if length > most_bytes:
        yield None
    elif length:
        line = b"".join(pieces)
        if source.failure is None or _is_json(line):  # else the rest of a truncated line
            yield line


def _read_value(name: str, number: int, text: bytes, bundle_name: str) -> Iterator[ReadResult]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        if text.startswith(_BYTE_ORDER_MARK):  # concatenated files, each with its mark
            yield from _read_value(name, number, text[len(_BYTE_ORDER_MARK) :], bundle_name)
        else:
            yield name, number, None, _describe(text)
        return
    if has_duplicate_members(text, value):
        yield name, number, None, DUPLICATE_MEMBER
    elif type(value) is not dict:
        yield name, number, None, _NOT_OBJECT
    elif value.get("resourceType") == "Bundle":
        yield from read_bundle(bundle_name, value)
    else:
        yield name, number, value, None


def _describe(text: bytes) -> str:
    try:
        text.decode()
    except UnicodeDecodeError:
        return _NOT_UTF8
    return NOT_JSON


def _read_streaming(name: str, source: ByteSource, most_bytes: int) -> Iterator[ReadResult]:
    """Yield the resources of a large Bundle, without resolving references."""
    if not _looks_like_bundle(source.peek(CHUNK_BYTES)):
        is_json = source.peek(1) == b"{"
        yield name, 1, None, _TOO_LARGE if is_json else NOT_JSON
        return
    number = 0
    try:
        for number, entry in enumerate(stream_entries(source, most_bytes), 1):
            yield from read_entry(name, number, entry, {})
    except EntryError as error:
        yield name, number + 1, None, str(error)
    except (ijson.JSONError, ValueError):
        yield name, number + 1, None, source.failure or NOT_JSON
