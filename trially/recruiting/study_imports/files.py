"""Read studies from JSON: one study, an array, an answer of the registry's API, or NDJSON."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import orjson

MOST_LINE_BYTES = 32 << 20
"""Bytes of a line of NDJSON. A study with its results has 1.5 MB."""

MOST_DOCUMENT_BYTES = 256 << 20
"""Bytes of a file that is one JSON value."""

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class ReadStudy:
    """One value of an input, which should be a study."""

    place: str
    """Where it is: `line 3`, or a JSON pointer as `/studies/2`, or empty for the whole input."""

    body: Any = None
    problem: str | None = None
    """Why the value cannot be read."""


def read_studies(file: BinaryIO, *, unpacks: bool = False) -> Iterator[ReadStudy]:
    """Yield the studies of a file. With `unpacks`, it may be compressed with gzip.

    A line that is no JSON is yielded with its problem, and the lines after it are read.
    """
    beginning = file.read(len(_GZIP))
    file.seek(0)
    if not (unpacks and beginning == _GZIP):
        yield from _read(file)
        return
    try:
        with gzip.open(file) as content:
            yield from _read(cast("BinaryIO", content))
    except (OSError, EOFError, zlib.error) as error:
        yield ReadStudy("", problem=f"The input cannot be decompressed: {error}.")


def _read(file: BinaryIO) -> Iterator[ReadStudy]:
    first = file.readline(MOST_LINE_BYTES)
    number = 1
    while first and not first.strip():
        first, number = file.readline(MOST_LINE_BYTES), number + 1
    if not first:
        yield ReadStudy("", problem="The input is empty.")
        return
    value = _parse(first)
    if isinstance(value, _Broken):
        yield from _read_whole(first, file, number)
        return
    rest = iter(lambda: file.readline(MOST_LINE_BYTES), b"")
    second = next((line for line in _counted(rest, number) if line[1].strip()), None)
    if second is None:
        yield from _expand(value, "")
        return
    yield from _expand(value, f"line {number}")
    yield from _read_line(*second)
    for line in _counted(rest, second[0]):
        yield from _read_line(*line)


def _read_whole(first: bytes, file: BinaryIO, number: int) -> Iterator[ReadStudy]:
    """Read one JSON value of several lines, or else NDJSON whose first line is damaged."""
    text = first + file.read(MOST_DOCUMENT_BYTES)
    value = _parse(text)
    if not isinstance(value, _Broken):
        yield from _expand(value, "")
        return
    lines = list(_counted(iter(text.splitlines()), number - 1))
    if len(lines) == 1 or all(isinstance(_parse(line), _Broken) for _, line in lines):
        yield ReadStudy("", problem=f"The input is no JSON: {value.reason}.")
        return
    for line in lines:
        yield from _read_line(*line)


def _read_line(number: int, line: bytes) -> Iterator[ReadStudy]:
    if not line.strip():
        return
    value = _parse(line)
    if isinstance(value, _Broken):
        yield ReadStudy(f"line {number}", problem=f"The line is no JSON: {value.reason}.")
    else:
        yield from _expand(value, f"line {number}")


def _counted(lines: Iterator[bytes], before: int) -> Iterator[tuple[int, bytes]]:
    return enumerate(lines, before + 1)


def _expand(value: Any, place: str) -> Iterator[ReadStudy]:
    """Yield the studies of an array, or of an answer of the registry's API."""
    items, pointer = (value, "") if isinstance(value, list) else (None, "")
    if isinstance(value, dict) and isinstance(value.get("studies"), list):
        items, pointer = value["studies"], "/studies"
    if items is None:
        yield ReadStudy(place, value)
        return
    for number, item in enumerate(items):
        where = f"{pointer}/{number}"
        yield ReadStudy(f"{place} {where}" if place else where, item)


@dataclass(frozen=True, slots=True)
class _Broken:
    reason: str


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _Broken(f"{error.msg} at character {error.pos:,}")
