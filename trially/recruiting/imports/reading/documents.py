"""Read the resources of one file in JSON: NDJSON, a Bundle, a resource, or several of them."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ijson
import orjson
from ijson.backends import yajl2_c

from trially.recruiting.imports.faults import FaultCode, fault
from trially.recruiting.imports.reading.bundles import (
    DUPLICATE_MEMBER,
    ReadResult,
    is_wrapper,
    read_wrapper,
)
from trially.recruiting.imports.reading.byte_sources import CHUNK_BYTES, ByteSource
from trially.recruiting.imports.reading.forms import SEEN_BYTES, recognise_other, to_utf8
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.json_texts import (
    DuplicateMemberError,
    NotJsonError,
    parse_json,
)
from trially.recruiting.imports.reading.json_values import UnfinishedValueError, split_values
from trially.recruiting.imports.reading.large_documents import (
    NOT_JSON,
    fault_of_source,
    read_large,
)

LARGEST_WHOLE_BYTES = 32 * 2**20
"""A file up to this size may be parsed at once. A larger one is streamed."""

MOST_QUOTES = 2
"""How often JSON may be quoted as a JSON string, as clients do by mistake."""

_NOT_UTF8 = fault(FaultCode.INVALID_ENCODING, "The content is not valid UTF-8.")
_NOT_OBJECT = fault(FaultCode.INVALID_JSON, "The content is not a JSON object.")
_UNFINISHED = fault(
    FaultCode.INVALID_JSON, "The content is not valid JSON: an object that begins here has no end."
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PUNCTUATION = frozenset({b"[", b"]", b",", b"],"})
"""Lines that only surround the items of an array, if each item has a line."""

_SEPARATORS = b" \t\r\n,\x1e"
"""What may stand before or after a resource: commas of an array, the separator of RFC 7464."""


def read_document(
    name: str, source: ByteSource, meter: InputMeter, quotes: int = 0
) -> Iterator[ReadResult]:
    """Yield the resources of one file. Its content decides what it is, not its name.

    A line that is longer than a limit of `meter` is a fault, and so is an entry of a large Bundle.
    """
    source = to_utf8(source)
    blank_lines = source.skip_space()
    if not source.peek(1):
        if broken := fault_of_source(source):
            yield name, 1, None, broken
        return
    if other := recognise_other(source.peek(SEEN_BYTES)):
        yield name, 1, None, fault(FaultCode.WRONG_FORMAT, other)
        return
    yield from _choose_reader(source)(name, source, blank_lines, meter, quotes)


_Reader = Callable[[str, ByteSource, int, InputMeter, int], Iterator[ReadResult]]


def _choose_reader(source: ByteSource) -> _Reader:
    """Return the function that reads a file of this form."""
    first_line = source.peek_line(LARGEST_WHOLE_BYTES)
    if len(first_line) >= LARGEST_WHOLE_BYTES:
        return _read_streamed if _is_streamable(first_line[:CHUNK_BYTES]) else _read_lines
    is_only_line = len(source.peek(len(first_line) + 1)) == len(first_line)
    if _is_json(first_line) and not (is_only_line and source.failure is None):
        return _read_lines
    head = source.peek(LARGEST_WHOLE_BYTES + 1)
    is_whole = len(head) <= LARGEST_WHOLE_BYTES
    if is_whole and source.failure is None and _is_json(head):
        return _read_whole
    if not is_only_line and _has_resource_after(head, len(first_line)):
        return _read_lines
    if is_whole and source.failure is not None:
        return _read_whole
    if not is_whole and _is_streamable(head[:CHUNK_BYTES]):
        return _read_streamed
    return _read_values


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text.strip(_SEPARATORS))
    except orjson.JSONDecodeError:
        return False
    return True


def _has_resource_after(head: bytes, start: int) -> bool:
    """Return whether a line after position `start` is a resource."""
    for line in io.BytesIO(head[start:]):
        if line.startswith(b"{") and b'"resourceType"' in line and _is_resource(line):
            return True
    return False


def _is_resource(line: bytes) -> bool:
    try:
        value = orjson.loads(line.strip(_SEPARATORS))
    except orjson.JSONDecodeError:
        return False
    return type(value) is dict and "resourceType" in value


def _is_streamable(head: bytes) -> bool:
    """Return whether JSON with this beginning is a Bundle or an array."""
    if head.startswith(b"["):
        return True
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


def _read_whole(
    name: str, source: ByteSource, _blank_lines: int, meter: InputMeter, quotes: int
) -> Iterator[ReadResult]:
    content = b"".join(source.chunks())
    if broken := fault_of_source(source):  # half a Bundle would be imported as if it were complete
        yield name, 1, None, broken
        return
    yield from _read_text(name, 1, content, name, meter, quotes)


def _read_streamed(
    name: str, source: ByteSource, _blank_lines: int, meter: InputMeter, _quotes: int
) -> Iterator[ReadResult]:
    yield from read_large(name, source, meter)


def _read_lines(
    name: str, source: ByteSource, blank_lines: int, meter: InputMeter, quotes: int
) -> Iterator[ReadResult]:
    most_bytes = meter.limits.most_line_bytes
    for _ in range(blank_lines):
        yield None
    number = blank_lines
    is_array = source.peek_line(CHUNK_BYTES).strip() == b"["
    for line in _split_lines(source, most_bytes):
        number += 1
        if line is None or len(line) > most_bytes:
            yield _too_long(name, number, "line", most_bytes)
        elif not (stripped := line.strip()) or (is_array and stripped in _PUNCTUATION):
            yield None
        else:
            yield from _read_text(name, number, line, f"{name}!{number}", meter, quotes)
    if broken := fault_of_source(source):
        yield name, number + 1, None, broken


def _read_values(
    name: str, source: ByteSource, blank_lines: int, meter: InputMeter, quotes: int
) -> Iterator[ReadResult]:
    """Yield the resources of a file in which each may have several lines, or several a line."""
    most_bytes = meter.limits.most_line_bytes
    lines = _split_lines(source, most_bytes)
    number = blank_lines
    try:
        for number, text in split_values(lines, blank_lines + 1, most_bytes):
            if text is None:
                yield _too_long(name, number, "resource or line", most_bytes)
            else:
                yield from _read_text(name, number, text, f"{name}!{number}", meter, quotes)
    except UnfinishedValueError as error:
        if source.failure is None:
            yield name, error.line, None, _UNFINISHED
    if broken := fault_of_source(source):
        yield name, number + 1, None, broken


def _too_long(name: str, number: int, what: str, most_bytes: int) -> ReadResult:
    reason = f"The {what} is longer than {most_bytes:,} bytes."
    return name, number, None, fault(FaultCode.TOO_LARGE, reason)


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


def _read_text(
    name: str, number: int, text: bytes, bundle_name: str, meter: InputMeter, quotes: int
) -> Iterator[ReadResult]:
    """Yield the resources of one JSON text."""
    try:
        value = parse_json(text)
    except DuplicateMemberError:
        yield name, number, None, DUPLICATE_MEMBER
        return
    except NotJsonError:
        bare = text.strip(_SEPARATORS).removeprefix(_BYTE_ORDER_MARK)
        if bare != text:  # a comma after it, or concatenated files, each with its mark
            yield from _read_text(name, number, bare, bundle_name, meter, quotes)
        else:
            yield name, number, None, NOT_JSON if _is_utf8(text) else _NOT_UTF8
        return
    if type(value) is dict and not is_wrapper(value):
        yield name, number, value, None
    elif type(value) is str and quotes < MOST_QUOTES and value.lstrip()[:1] in ("{", "[", '"'):
        quoted = ByteSource(io.BytesIO(value.encode()).read)
        yield from read_document(name, quoted, meter, quotes + 1)
    elif type(value) is list:
        yield from _read_items(name, number, value, bundle_name)
    elif type(value) is dict:
        is_bundle = value.get("resourceType") == "Bundle"
        yield from read_wrapper(bundle_name if is_bundle else name, number, value)
    else:
        yield name, number, None, _NOT_OBJECT


def _read_items(
    name: str, number: int, items: Iterable[Any], array_name: str
) -> Iterator[ReadResult]:
    """Yield the resources of an array. The numbers of a file that is one array are its items."""
    is_file = array_name == name
    for position, item in enumerate(items, 1):
        place = position if is_file else number
        if type(item) is not dict:
            yield name, place, None, _NOT_OBJECT
        elif item.get("resourceType") == "Bundle":
            yield from read_wrapper(f"{name}!{place}", place, item)
        else:
            yield from read_wrapper(name, place, item)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
