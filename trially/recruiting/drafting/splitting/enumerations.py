"""Enumerations inside of a line: `1) Age 18 or older, 2) HbA1c above 7 %, 3) …`."""

import re

from trially.recruiting.drafting.places import Place

_NUMBER = re.compile(r"(?:(?<=[\s;:,.])|^)\(?(\d{1,2})[.)](?=\s|[A-Za-z])")
_LETTER = re.compile(r"(?:(?<=[\s;:,.])|^)\(?([a-h]|i{1,3}|iv|v|vi{1,3})[.)](?=\s|[A-Za-z])")
_ROUND = re.compile(
    r"(?:(?<=[\s;:,.])|^)(?:o(?=\s[A-Z\d<>])|o(?=[A-Z][a-z])|"
    r"[\u2022\u25e6\u25aa\u25cf](?=\s?\S))"
)
_DASH = re.compile(r"(?:(?<=\s)|^)-(?=\s[A-Z\d<>])")
_LETTERS = "abcdefgh"
_ROMANS = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii")


def split_enumeration(text: str, place: Place, *, has_dashes: bool) -> list[tuple[Place, Place]]:
    """Return the markers and contents of an enumeration inside a place, in their order.

    The first marker is empty if words stand before the enumeration. Without an enumeration, the
    result is the place as a whole. `has_dashes` tells whether ` - ` may be a bullet.
    """
    markers = _numbered(text, place) or _lettered(text, place) or _bulleted(text, place)
    if not markers and has_dashes:
        markers = [Place(*m.span()) for m in _DASH.finditer(text, place.start, place.end)]
    starts = [Place(place.start, place.start), *markers]
    ends = [each.start for each in markers] + [place.end]
    parts = [
        (marker, _trim(text, marker.end, end)) for marker, end in zip(starts, ends, strict=True)
    ]
    return [part for part in parts if part[0] != part[1]]


def _numbered(text: str, place: Place) -> list[Place]:
    """Return the longest run of numbers that count up by one, of two or more."""
    best: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for match in _NUMBER.finditer(text, place.start, place.end):
        if run and int(match[1]) == int(run[-1][1]) + 1:
            run.append(match)
        elif not run or int(match[1]) == 1:
            run = [match]
        if len(run) > len(best):
            best = run[:]
    return [Place(*match.span()) for match in best] if len(best) > 1 else []


def _lettered(text: str, place: Place) -> list[Place]:
    """Return the letters or Roman numbers that begin with the first and count up."""
    found = list(_LETTER.finditer(text, place.start, place.end))
    for order in (_LETTERS, _ROMANS):
        run: list[re.Match[str]] = []
        for match in found:
            if len(run) < len(order) and match[1] == order[len(run)]:
                run.append(match)
        if len(run) > 1:
            return [Place(*match.span()) for match in run]
    return []


def _bulleted(text: str, place: Place) -> list[Place]:
    return [Place(*match.span()) for match in _ROUND.finditer(text, place.start, place.end)]


def _trim(text: str, start: int, end: int) -> Place:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Place(start, end)
