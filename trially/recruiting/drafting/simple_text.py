"""Text in one spelling of signs, spaces and letters, which still knows its original places."""

import html
import re
import unicodedata
from dataclasses import dataclass

from trially.recruiting.drafting.places import Place

_SIGNS = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad", "-"),
    **dict.fromkeys("\u2018\u2019\u201b\u2032\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2265\u2a7e\u2267", ">="),
    **dict.fromkeys("\u2264\u2a7d\u2266", "<="),
    **dict.fromkeys("\u00d7\u2715\u2a09", "x"),
    **dict.fromkeys("\u00b5\u03bc", "u"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
}
"""Characters that are written in several ways, and how the readers expect them."""

_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{2,5}|#x[0-9A-Fa-f]{2,5});")
_ESCAPED = frozenset("\\`*_{}[]()#+-.!<>~|&^\"'=")
_LONGEST_SPELLING = 4
"""Ligatures that stand for more characters are left: one Arabic ligature stands for 18."""
_POINT = "\u2022\u00b7\u22c5"
"""Points that are decimal points between digits: 1\u20221.73."""


@dataclass(frozen=True, slots=True)
class SimpleText:
    """A simplified text, and for each of its characters the place that it stands for."""

    text: str
    places: tuple[Place, ...]

    def place(self, start: int, end: int) -> Place:
        """Return the original place of characters of the simplified text."""
        if start >= end:
            at = self.places[start].start if start < len(self.places) else self._end
            return Place(at, at)
        return Place(self.places[start].start, self.places[end - 1].end)

    @property
    def _end(self) -> int:
        return self.places[-1].end if self.places else 0


def simplify(original: str, place: Place) -> SimpleText:
    r"""Return a part of a text in lower case, with single spaces and plain signs.

    Markdown's backslashes and HTML's entities are resolved: `\>` and `&gt;` are `>`.
    """
    characters: list[str] = []
    places: list[Place] = []
    at = place.start
    while at < place.end:
        plain, end = _next(original, at, place.end)
        for character in plain:
            if character == " " and (not characters or characters[-1] == " "):
                continue
            characters.append(character)
            places.append(Place(at, end))
        at = end
    while characters and characters[-1] == " ":
        characters.pop()
        places.pop()
    return SimpleText("".join(characters), tuple(places))


def _next(text: str, at: int, end: int) -> tuple[str, int]:
    """Return the plain spelling of the next character or escape, and where it ends."""
    character = text[at]
    if character == "\\" and at + 1 < end and text[at + 1] in _ESCAPED:
        return _plain(text, at + 1), at + 2
    if character == "&" and (match := _ENTITY.match(text, at, end)):
        return "".join(_plain(letter, 0) for letter in html.unescape(match[0])), match.end()
    return _plain(text, at), at + 1


def _plain(text: str, at: int) -> str:
    character = text[at]
    if character in _SIGNS:
        return _SIGNS[character]
    if character.isascii():
        return " " if character.isspace() else character.lower()
    if character in _POINT:
        between = text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit()
        return "." if between else "\u2022"
    if character.isspace():
        return " "
    plain = unicodedata.normalize("NFKC", character).lower()
    return plain if len(plain) <= _LONGEST_SPELLING else character
