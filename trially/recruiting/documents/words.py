"""The words of texts, as documents are indexed and as people search for them.

Words are compared without accents, case, and the kind of apostrophe. PostgreSQL's own parser is not
used: the same function reads the document, the search and the snippet, so they cannot disagree.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

LONGEST_WORD = 64
"""Characters of a word that are compared."""

LARGEST_VECTOR_BYTES = 900_000
"""PostgreSQL rejects a tsvector of 1 MiB."""

MOST_POSITIONS = 255
"""Positions of one word that a tsvector holds. A phrase is found only at these."""

LAST_POSITION = 16_383
"""The last position that a tsvector can hold."""


def _marks() -> str:
    """Return the combining marks, which belong to the letter before them, as a regex class."""
    ranges: list[list[int]] = []
    for code in range(0x300, 0x1_0000):
        if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me"):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in ranges)


_APOSTROPHES = "\u02b9-\u02bf\u02c8\ua78b\ua78c"
"""Apostrophes that Unicode holds to be letters. They separate words, as all others do."""

_SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
"""Characters of scripts that write no spaces between words: each counts as a word."""


@cache
def _word_pattern() -> re.Pattern[str]:
    """Return the pattern of words. Building it takes some 20 ms, which no start should spend."""
    return re.compile(f"[{_SINGLE}]|(?:(?![{_APOSTROPHES}{_SINGLE}])[^\\W_]|(?!\\A)[{_marks()}])+")


# Letters with a stroke or ligature, which Unicode does not decompose.
_STROKES = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ŧ": "t",
        "ı": "i",  # noqa: RUF001
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
    }
)


class Word(NamedTuple):
    """A word of a text, as it is compared, and the characters that it comes from."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Return a text without accents and case, in one form of all that Unicode has."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(each for each in decomposed if unicodedata.category(each) != "Mn")
    return plain.translate(_STROKES)


@lru_cache(maxsize=65_536)
def _fold_word(word: str) -> str:
    return re.sub(r"[\W_]", "", fold(word))[:LONGEST_WORD]


def find_words(text: str) -> Iterator[Word]:
    """Yield the words of a text with their places."""
    for match in _word_pattern().finditer(text):
        if word := _fold_word(match.group()):
            yield Word(word, match.start(), match.end())


def to_vector(texts: Iterable[str]) -> str:
    """Return the words of texts in PostgreSQL's notation for a tsvector.

    If they are too many for a tsvector, the first ones count.
    """
    positions: dict[str, list[int]] = {}
    size = 0
    words = (word.text for text in texts for word in find_words(text))
    for number, word in enumerate(words, 1):
        places = positions.get(word)
        if places is None:
            size += len(word.encode()) + 4
            places = positions[word] = []
        if number <= LAST_POSITION and len(places) < MOST_POSITIONS:
            size += 2
            places.append(number)
        if size > LARGEST_VECTOR_BYTES:
            break
    return " ".join(
        f"'{word}':{','.join(map(str, places))}" if places else f"'{word}'"
        for word, places in positions.items()
    )
