"""Split concatenated JSON objects, such as pretty-printed resources one after another."""

import re
from collections.abc import Iterable, Iterator

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}]', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,\[\]\x1e]|\xef\xbb\xbf")
"""What may stand between the objects: an array's brackets and commas, and RFC 7464's separator."""

Value = tuple[int, bytes | None]
"""The first line of an object, from 1, and its text: None if it is too long."""


class UnfinishedValueError(Exception):
    """The text ends within an object. `line` is the object's first line."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def split_values(
    lines: Iterable[bytes | None], first_line: int, most_bytes: int
) -> Iterator[Value]:
    """Yield the objects in lines of text, and each text between them as if it were one.

    A line of None is too long. Raises `UnfinishedValueError` if the last object does not end.
    """
    splitter = _Splitter(most_bytes)
    for number, line in enumerate(lines, first_line):
        yield from splitter.feed(number, line)
    if splitter.depth:
        raise UnfinishedValueError(splitter.begun_at)


class _Splitter:
    """The object that is being collected."""

    def __init__(self, most_bytes: int) -> None:
        self.depth = 0
        self.begun_at = 0
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._length = 0

    def feed(self, number: int, line: bytes | None) -> Iterator[Value]:
        """Add a line, and yield the objects that end in it."""
        if line is None:
            self.depth = 0
            self._pieces.clear()
            yield number, None
            return
        start = 0
        for token in _TOKEN.finditer(line):
            mark = token.group()
            if mark == b"{":
                if not self.depth:
                    yield from _between(number, line[start : token.start()])
                    self.begun_at, start = number, token.start()
                self.depth += 1
            elif mark == b"}" and self.depth:
                self.depth -= 1
                if not self.depth:
                    self._collect(line[start : token.end()])
                    start = token.end()
                    yield self.begun_at, self._take()
        if self.depth:
            self._collect(line[start:] + b"\n")
        else:
            yield from _between(number, line[start:])

    def _collect(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length <= self._most_bytes:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def _take(self) -> bytes | None:
        value = b"".join(self._pieces) if self._length <= self._most_bytes else None
        self._pieces, self._length = [], 0
        return value


def _between(number: int, text: bytes) -> Iterator[Value]:
    if _BETWEEN.sub(b"", text):
        yield number, text
