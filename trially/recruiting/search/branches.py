"""How the index is scanned for a word: a range or a list of terms in each branch of a UNION."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Text, any_, case, literal, null
from sqlalchemy.dialects.postgresql import ARRAY

from trially.database.rows import of_current_tenant, table_of
from trially.recruiting.search.model import PatientSearchTerm
from trially.recruiting.search.query import RANKS, MatchKind, Probe, Word

LAST_CHARACTER = "\U0010ffff"
"""Greater than all that may follow the beginning of a term."""

FORMER_NAME = 1
STEP = 2
"""Steps between ranks. A former name counts half a step more than the name that is shown."""

terms = table_of(PatientSearchTerm).c


class Branch(NamedTuple):
    """One scan of the index: the conditions of its terms, and their rank."""

    conditions: list[ColumnElement[bool]]
    rank: ColumnElement[int]


def branches_of(word: Word) -> list[Branch]:
    """Return the scans that find all terms that match a word.

    Each range of terms is a branch of its own, so that PostgreSQL reads nothing but the index. A
    range contains the exact matches, too.
    """
    prefixes = [probe for probe in word if probe.is_prefix]
    exact = [probe for probe in word if not probe.is_prefix]
    branches = [branch for probe in prefixes for branch in _ranges(probe, exact)]
    for probe in exact:
        others = [term for term in probe.terms if not _is_in_a_range(term, probe, prefixes)]
        if others:
            is_one = terms.term == any_(literal(others, ARRAY(Text)))
            condition = terms.term == others[0] if len(others) == 1 else is_one
            rank = literal(STEP * RANKS[probe.match]) + _of_former_name()
            branches.append(Branch([*_of_kind(probe), condition], rank))
    return branches or [Branch([terms.term == null()], literal(0))]


def _ranges(probe: Probe, exact: list[Probe]) -> Iterator[Branch]:
    for beginning in probe.terms:
        if any(beginning.startswith(other) and beginning != other for other in probe.terms):
            continue  # The range of a shorter beginning contains this one.
        whole = [
            term
            for other in exact
            if other.match is MatchKind.EXACT
            for term in other.terms
            if _contains(probe, other) and term.startswith(beginning)
        ]
        rank: ColumnElement[int] = literal(STEP * RANKS[probe.match])
        if whole:
            rank = case((terms.term.in_(whole), literal(0)), else_=rank)
        conditions = [terms.term >= beginning, terms.term < beginning + LAST_CHARACTER]
        yield Branch([*_of_kind(probe), *conditions], rank + _of_former_name())


def _is_in_a_range(term: str, probe: Probe, prefixes: list[Probe]) -> bool:
    """Return whether a range finds a term, with a rank that is no worse."""
    return any(
        _contains(prefix, probe)
        and term.startswith(prefix.terms)
        and (probe.match is MatchKind.EXACT or RANKS[prefix.match] <= RANKS[probe.match])
        for prefix in prefixes
    )


def _contains(prefix: Probe, exact: Probe) -> bool:
    return prefix.kind is exact.kind and prefix.field in {None, exact.field}


def _of_kind(probe: Probe) -> list[ColumnElement[bool]]:
    conditions = [of_current_tenant(PatientSearchTerm), terms.kind == str(probe.kind)]
    return [*conditions, terms.field == probe.field] if probe.field else conditions


def _of_former_name() -> ColumnElement[int]:
    return case((terms.use.is_(None), literal(0)), else_=literal(FORMER_NAME))
