"""Read what somebody typed into words, each with the terms that it may mean."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from trially.recruiting.search.dates import DATE_IN_WORDS, read_typed_dates
from trially.recruiting.search.given_names import related_names
from trially.recruiting.search.model import LONGEST_TERM, TermKind
from trially.recruiting.search.normalising import (
    fold,
    fold_number,
    join_neighbours,
    reversed_digits,
    spelt_out,
    split_words,
)
from trially.recruiting.search.typing_errors import one_error_away

MOST_WORDS = 10
LEAST_LAST_DIGITS = 4
"""Fewer digits are no phone number."""

SAME_PHONE_DIGITS = 9
"""Numbers with the same last digits are the same, with or without the prefix of a country."""

LEAST_MRN_PREFIX = 3

_CHUNKS = re.compile(rf"{DATE_IN_WORDS}|[^\s,]+", re.IGNORECASE)
_NUMERIC = re.compile(r"[+\d().\-/]*\d[+\d().\-/]*")


class MatchKind(StrEnum):
    """How a term of a patient matches a word of a search."""

    EXACT = "exact"
    PREFIX = "prefix"
    LAST_DIGITS = "last_digits"
    """The last digits of a phone number."""

    NICKNAME = "nickname"
    """The short form of a given name, or the name that one is short for."""

    SIMILAR = "similar"
    """One letter is wrong, missing or added, or two are swapped."""


RANKS: Mapping[MatchKind, int] = {
    MatchKind.EXACT: 0,
    MatchKind.PREFIX: 1,
    MatchKind.LAST_DIGITS: 1,
    MatchKind.NICKNAME: 2,
    MatchKind.SIMILAR: 3,
}
"""The smaller the rank of a match, the earlier the patient is listed."""


@dataclass(frozen=True)
class Probe:
    """Terms to look up for one word: all of one kind, matched in one way."""

    kind: TermKind
    match: MatchKind
    terms: tuple[str, ...]
    field: str | None = None
    """The only field that may match, if any."""
    hint: str | None = None
    """How an ambiguous date was read."""

    @property
    def is_prefix(self) -> bool:
        """Whether the terms are how a patient's term begins."""
        return self.match in {MatchKind.PREFIX, MatchKind.LAST_DIGITS}

    def accepts(self, term: Mapping[str, Any]) -> bool:
        """Return whether a term of a patient matches."""
        if term["kind"] != self.kind or self.field not in {None, term["field"]}:
            return False
        return term["term"].startswith(self.terms) if self.is_prefix else term["term"] in self.terms


Word = tuple[Probe, ...]
"""What one word may mean. A patient with any of these terms matches the word."""


def read_query(text: str) -> list[Word]:
    """Return the words of a search over all fields. A patient must match each of them."""
    chunks = [chunk.group() for chunk in _CHUNKS.finditer(text)]
    whole = _exactly(TermKind.MRN, [fold_number(text)])
    words: list[Word] = []
    for is_numeric, group in groupby(chunks, _is_number_or_date):
        run = list(group)
        words += _read_numbers(run) if is_numeric else _read_names(run)
    return [(*word, *whole) for word in words]


def read_name(text: str, field: str) -> list[Word]:
    """Return the words of a search in one field of names. Each may be the beginning of a word."""
    return [
        (*_name_probes(alternatives, field), *_nickname_probes(alternatives[:1], field))
        for alternatives in _alternatives([text])
    ]


def read_record_number(text: str) -> list[Word]:
    """Return the word of a search for a record number."""
    probes = _exactly(TermKind.MRN, [fold_number(text)])
    return [tuple(probes)] if probes else []


def _is_number_or_date(chunk: str) -> bool:
    return bool(_NUMERIC.fullmatch(chunk) or read_typed_dates(chunk))


def _read_numbers(run: Sequence[str]) -> Iterator[Word]:
    """Yield a word for each number. A run of numbers may also be one phone or record number."""
    joined: tuple[Probe, ...] = ()
    if len(run) > 1:
        whole = " ".join(run)
        joined = (*_phone_probes(whole), *_exactly(TermKind.MRN, [fold_number(whole)]))
    for chunk in run:
        yield (*_number_probes(chunk), *joined)


def _number_probes(chunk: str) -> Iterator[Probe]:
    for date in read_typed_dates(chunk):
        match = MatchKind.EXACT if len(date.iso) == len("1961-07-23") else MatchKind.PREFIX
        yield Probe(TermKind.BIRTH_DATE, match, (date.iso,), hint=date.hint)
    number = fold_number(chunk)
    yield from _exactly(TermKind.MRN, [number])
    if len(number) >= LEAST_MRN_PREFIX:
        yield Probe(TermKind.MRN, MatchKind.PREFIX, (number,))
    yield from _phone_probes(chunk)
    if words := split_words(chunk):
        yield Probe(TermKind.NAME, MatchKind.PREFIX, (words[0],))


def _phone_probes(text: str) -> Iterator[Probe]:
    digits = reversed_digits(text)
    # The first zero may be a part of the last digits, or the prefix for calls within a country.
    typed = digits + "0" * text.lstrip("+( ").startswith("0")
    if len(typed) >= LEAST_LAST_DIGITS:
        yield from _exactly(TermKind.PHONE, [digits])
        endings = {each[:SAME_PHONE_DIGITS] for each in (digits, typed)}
        yield Probe(TermKind.PHONE, MatchKind.LAST_DIGITS, tuple(sorted(endings)))


def _read_names(run: Sequence[str]) -> Iterator[Word]:
    for chunk, alternatives in _alternatives_by_chunk(run):
        if "@" in chunk:
            address = fold(chunk)[:LONGEST_TERM]
            yield (
                *_exactly(TermKind.EMAIL, [address]),
                Probe(TermKind.EMAIL, MatchKind.PREFIX, (address,)),
            )
            continue
        number = fold_number(chunk)
        yield (
            *_name_probes(alternatives),
            *_nickname_probes(alternatives[:1]),
            *_similar_probes(alternatives[0]),
            *_exactly(TermKind.MRN, [number]),
            *(
                [Probe(TermKind.MRN, MatchKind.PREFIX, (number,))]
                if any(map(str.isdigit, number)) and len(number) >= LEAST_MRN_PREFIX
                else []
            ),
        )


def _name_probes(alternatives: Sequence[str], field: str | None = None) -> Iterator[Probe]:
    yield from _exactly(TermKind.NAME, alternatives, field)
    yield Probe(TermKind.NAME, MatchKind.PREFIX, tuple(alternatives), field)


def _nickname_probes(names: Iterable[str], field: str | None = None) -> Iterator[Probe]:
    related = sorted({name for each in names for name in related_names(each)})
    if related and field in {None, "given_name"}:
        yield Probe(TermKind.NAME, MatchKind.NICKNAME, tuple(related), "given_name")


def _similar_probes(word: str) -> Iterator[Probe]:
    if similar := sorted(one_error_away(word)):
        yield Probe(TermKind.NAME, MatchKind.SIMILAR, tuple(similar))


def _exactly(kind: TermKind, terms: Iterable[str], field: str | None = None) -> list[Probe]:
    known = tuple(term for term in terms if term)
    return [Probe(kind, MatchKind.EXACT, known, field)] if known else []


def _alternatives(run: Sequence[str]) -> list[list[str]]:
    return [alternatives for _, alternatives in _alternatives_by_chunk(run)]


def _alternatives_by_chunk(run: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return each word of a run of names, with its chunk: as typed, spelt out, and joined.

    A patient called McDonald matches both words of `mc donald`, and Müller matches `mueller`.
    """
    pairs = [
        (chunk, word, spelt)
        for chunk in run
        for word, spelt in zip(split_words(chunk), split_words(spelt_out(chunk)), strict=True)
    ]
    joined = join_neighbours([word for _, word, _ in pairs])
    return [
        (chunk, list(dict.fromkeys([word, spelt, *sorted(_containing(word, joined))])))
        for chunk, word, spelt in pairs
    ]


def _containing(word: str, joined: Iterable[str]) -> Iterator[str]:
    return (each for each in joined if word in each)
