"""Bring names and numbers to one form, in which different notations are equal.

`fold` removes what people leave out when they type: case, accents, the Unicode form, and the kind
of apostrophe. Scripts stay as they are; `romanised` adds how a word of another script is written in
Latin letters.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from unicodedata import category, name, normalize

from anyascii import anyascii

from trially.recruiting.search.model import LONGEST_TERM

APOSTROPHE = "'"
MOST_JOINED = 4
"""A name of more words is not joined pair by pair."""

_HYPHENS = r"\-\u2010-\u2015\u2212"
_APOSTROPHES = re.compile(
    "[`'\u00b4\u2018-\u201b\u2032\u2035\u02b9\u02bb-\u02bd\u02c8\u05f3\uff07\ua78c]"
)
_BETWEEN_WORDS = re.compile(rf"[\s.,;:/()\[\]\"\u201c-\u201e\u00ab\u00bb{_HYPHENS}\u30fb\u2022]+")
_UPPER_WORDS = re.compile(r"[A-Z][^A-Z]*|[^A-Z]+")
_WITHIN_NUMBERS = re.compile(rf"[\s./{_HYPHENS}]+")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_LETTERS_AND_NUMBER = re.compile(r"[^\d]+(\d+)")
_NATIONAL_ZERO = re.compile(r"\(\s*0\s*\)")
_SPELT_OUT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "Ä": "ae", "Ö": "oe", "Ü": "ue"}
    | {"Å": "aa", "Ø": "oe"}
)


def fold(text: str) -> str:
    """Return text without case, accents and points, each apostrophe as the ASCII one."""
    if text.isascii():
        return text.replace("`", APOSTROPHE).casefold()
    # First the apostrophes: the compatible form of the acute accent alone is a blank.
    plain = normalize("NFKD", _APOSTROPHES.sub(APOSTROPHE, text)).casefold()
    letters = "".join(map(_fold_character, normalize("NFKD", plain)))
    return normalize("NFKC", letters)


def split_words(text: str) -> list[str]:
    """Return the folded words of a name, without apostrophes."""
    words = (word.replace(APOSTROPHE, "") for word in _BETWEEN_WORDS.split(fold(text)))
    return [word[:LONGEST_TERM] for word in words if word]


def name_terms(text: str) -> set[str]:
    """Return all terms by which a name is found: words, their parts, joined words, spellings."""
    terms = _terms_of(text)
    if not text.isascii():
        terms |= _terms_of(spelt_out(text))
        terms |= set(romanised(text))
    return {term[:LONGEST_TERM] for term in terms}


def spelt_out(text: str) -> str:
    """Return text with ä, ö, ü, å and ø as two letters, as in Mueller for Müller."""
    return normalize("NFC", text).translate(_SPELT_OUT)


def romanised(text: str) -> Iterator[str]:
    """Yield the words of another script in Latin letters, and the syllables of a CJK name joined.

    Yields nothing for text in Latin letters.
    """
    for word in split_words(text):
        if word.isascii():
            continue
        latin = anyascii(word)
        syllables = [part.lower() for part in _UPPER_WORDS.findall(latin) if part.isalnum()]
        yield from syllables
        if len(syllables) > 1:
            yield "".join(syllables)


def fold_number(text: str) -> str:
    """Return a record number without case, blanks, hyphens, and zeros before its numbers."""
    return _LEADING_ZEROS.sub("", _WITHIN_NUMBERS.sub("", fold(text.strip())))[:LONGEST_TERM]


def number_terms(text: str) -> set[str]:
    """Return the terms of a record number: all of it, and its number if it begins with letters."""
    whole = fold_number(text)
    lettered = _LETTERS_AND_NUMBER.fullmatch(whole)
    return {term for term in (whole, lettered and lettered.group(1)) if term}


def reversed_digits(phone: str) -> str:
    """Return the digits of a phone number, last one first, without the zeros of its prefix."""
    digits = [
        digit for digit in normalize("NFKC", _NATIONAL_ZERO.sub("", phone)) if digit.isdecimal()
    ]
    number = "".join(str(int(digit)) for digit in digits).lstrip("0")
    return number[::-1][:LONGEST_TERM]


def join_neighbours(words: list[str]) -> set[str]:
    """Return all words joined to one, and each pair of neighbours."""
    if len(words) < 2:
        return set()
    joined = {"".join(words)[:LONGEST_TERM]}
    if len(words) <= MOST_JOINED:
        joined |= {(a + b)[:LONGEST_TERM] for a, b in pairwise(words)}
    return joined


def _terms_of(text: str) -> set[str]:
    words = split_words(text)
    return {*words, *join_neighbours(words), *_parts_at_apostrophes(text)}


def _parts_at_apostrophes(text: str) -> Iterator[str]:
    """Yield the parts of words that an apostrophe divides: `connor` of O'Connor."""
    for word in _BETWEEN_WORDS.split(fold(text)):
        yield from (part for part in word.split(APOSTROPHE) if len(part) > 1)


@lru_cache(4096)
def _fold_character(character: str) -> str:
    """Return a character of decomposed text in lower case, without what people leave out."""
    if character.isascii():
        return character
    if _is_left_out(character):
        return ""
    if category(character).startswith("L") and name(character, "").startswith("LATIN"):
        return anyascii(character).lower()
    return APOSTROPHE if _APOSTROPHES.match(character) else character


def _is_left_out(character: str) -> bool:
    """Return whether a character is an accent, a point of Hebrew or Arabic, or invisible."""
    return (
        "\u0300" <= character <= "\u036f"
        or "\u0591" <= character <= "\u05c7"
        or "\u064b" <= character <= "\u065f"
        or character in "\u0670\u0640\u00b7"
        or category(character) in {"Cf", "Cc"}
    )
