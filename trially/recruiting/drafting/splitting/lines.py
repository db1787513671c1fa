"""Lines of a text with their bullets and numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trially.recruiting.drafting.places import Place

_BULLETS = "*\u2022\u25e6\u25aa\u25cf\u25cb\u2023\u2219\u00b7\u25a0\u25a1\u2013\u2014\uf0b7-"
_BULLET = rf"[{re.escape(_BULLETS)}](?![\d*])"
_NUMBER = (
    r"\(?(?:\d{1,2}\.)?\d{1,3}[.)](?!\d)|\((?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})\)"
    r"|[ivx]{1,4}[.)](?=\s)|[a-zA-Z][.)](?=\s)|o(?=\s+\S|[A-Z])|\[\d{1,2}\](?=\s)"
)
_MARKER = re.compile(rf"\\?(?:{_BULLET}|{_NUMBER})[ \t]*")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MOST_MARKERS = 3
"""Bullets and numbers before one statement: `* 1. • Age`."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its bullet and the spaces around it."""

    content: Place
    """Empty if the line is blank, or has a bullet only."""
    marker: Place | None
    column: int
    """Characters before the last bullet, or before the words of a line without one."""
    is_after_blank: bool
    """Whether the line before is blank, or there is none."""


def read_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a text that are not blank."""
    is_after_blank = True
    for match in _LINE.finditer(text):
        start, end = match.span()
        if not match[0].strip():
            is_after_blank = True
            continue
        yield _read_line(text, start, end, is_after_blank=is_after_blank)
        is_after_blank = False


def _read_line(text: str, start: int, end: int, *, is_after_blank: bool) -> Line:
    at = _skip_spaces(text, start, end)
    first, column = at, at - start
    for _ in range(_MOST_MARKERS):
        match = _MARKER.match(text, at, end)
        if match is None or _is_a_word(text, match, end):
            break
        column = at - start
        at = match.end()
    content = Place(at, at + len(text[at:end].rstrip()))
    marker_end = first + len(text[first:at].rstrip())
    marker = Place(first, marker_end) if marker_end > first else None
    return Line(content, marker, column, is_after_blank)


def _skip_spaces(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at


def _is_a_word(text: str, match: re.Match[str], end: int) -> bool:
    """Return whether a marker is the beginning of words, such as `A. baumannii` or `-5 to 3`."""
    found = match[0].strip()
    is_dash = found in "-\u2013\u2014" and not match[0].endswith((" ", "\t")) and match.end() < end
    return is_dash and not text[match.end()].isupper()
