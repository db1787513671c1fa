"""Search terms of tenants that encrypt fields: blind indexes, which find whole terms only."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from trially.database.sealing import field_state, forms_of_terms, term_of
from trially.recruiting.search.model import TermKind
from trially.recruiting.search.query import SAME_PHONE_DIGITS, MatchKind, Probe, Word
from trially.recruiting.search.terms import Term

WHOLE_DATE = len("1961-07-23")
_WHOLE = frozenset({MatchKind.EXACT, MatchKind.NICKNAME})


class LostSearchError(ValueError):
    """A search needs a part of a term, and the tenant stores blind indexes of whole terms."""


def stored_terms(terms: Iterable[Term]) -> Iterator[dict[str, Any]]:
    """Yield the columns of terms as the current tenant stores them."""
    if field_state().version is None:
        yield from (term._asdict() for term in terms)
        return
    for term in terms:
        for whole in _whole_terms(term):
            yield {**whole._asdict(), "term": term_of(whole.kind, whole.term)}


def stored_words(words: list[Word]) -> list[Word]:
    """Return the words of a search with the terms that the current tenant stores.

    They are the same list for a tenant without encryption. Raises `LostSearchError` for a word that
    is only the beginning of a date.
    """
    if not field_state().is_sealed:
        return words
    return [tuple(_stored_probes(word)) for word in words]


def _whole_terms(term: Term) -> Iterator[Term]:
    """Yield what is looked up of a term: of a phone number two forms, of a part of a date none."""
    if term.kind is not TermKind.BIRTH_DATE or len(term.term) == WHOLE_DATE:
        yield term
    if term.kind is TermKind.PHONE and len(term.term) > SAME_PHONE_DIGITS:
        yield term._replace(term=term.term[:SAME_PHONE_DIGITS])


def _stored_probes(word: Word) -> Iterator[Probe]:
    for probe in word:
        if probe.kind is TermKind.BIRTH_DATE and probe.is_prefix:
            raise LostSearchError(
                "The tenant encrypts fields, so patients are not found by a month or a year of"
                " birth. Search for the whole date."
            )
        terms = _whole(probe)
        if terms:
            yield replace(probe, terms=tuple(forms_of_terms(probe.kind, terms)), match=_kind(probe))


def _whole(probe: Probe) -> tuple[str, ...]:
    """Return the terms of a probe that are whole ones."""
    if probe.match in _WHOLE:
        return probe.terms
    if probe.match is MatchKind.LAST_DIGITS:
        return tuple(each for each in probe.terms if len(each) == SAME_PHONE_DIGITS)
    return ()


def _kind(probe: Probe) -> MatchKind:
    return MatchKind.EXACT if probe.match is MatchKind.LAST_DIGITS else probe.match
