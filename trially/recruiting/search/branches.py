"""How the index is scanned for a word: a range or a list of terms in each branch of a UNION.

The statements are composed as text: building them from SQLAlchemy's expressions takes longer than
PostgreSQL takes to answer them. Values are always parameters.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from trially.recruiting.search.query import RANKS, MatchKind, Probe, Word

LAST_CHARACTER = "\U0010ffff"
"""Greater than all that may follow the beginning of a term."""

STEP = 2
"""Steps between ranks. What the patient's row does not show counts half a step more."""

_FORMER = "(t.use IS NOT NULL OR t.record_id IS NOT NULL)::int"


class Parameters(dict[str, Any]):
    """The parameters of a statement, by names that `add` makes up."""

    def add(self, value: Any) -> str:
        """Add a value, and return the placeholder that stands for it in the statement."""
        name = f"searched_{len(self)}"
        self[name] = value
        return f":{name}"


class Branch(NamedTuple):
    """One scan of the index of the table `t`: the condition of its terms, and their rank."""

    condition: str
    rank: str


def branches_of(word: Word, parameters: Parameters) -> list[Branch]:
    """Return the scans that find all terms that match a word.

    Each range of terms is a branch of its own, so that PostgreSQL reads nothing but the index. A
    range contains the exact matches, too.
    """
    prefixes = [probe for probe in word if probe.is_prefix]
    lists = [probe for probe in word if not probe.is_prefix]
    branches = [branch for probe in prefixes for branch in _ranges(probe, lists, parameters)]
    for probe in lists:
        terms = [term for term in probe.terms if not _is_in_a_range(term, probe, prefixes)]
        if terms:
            condition = f"{_of_kind(probe, parameters)} AND t.term = ANY({parameters.add(terms)})"
            branches.append(Branch(condition, f"{STEP * RANKS[probe.match]} + {_FORMER}"))
    return branches


def _ranges(probe: Probe, lists: list[Probe], parameters: Parameters) -> Iterator[Branch]:
    for beginning in probe.terms:
        if any(beginning.startswith(other) and beginning != other for other in probe.terms):
            continue  # The range of a shorter beginning contains this one.
        exact = [
            term
            for other in lists
            if other.match is MatchKind.EXACT and _contains(probe, other)
            for term in other.terms
            if term.startswith(beginning)
        ]
        rank = f"{STEP * RANKS[probe.match]}"
        if exact:
            rank = f"CASE WHEN t.term = ANY({parameters.add(exact)}) THEN 0 ELSE {rank} END"
        first, end = parameters.add(beginning), parameters.add(beginning + LAST_CHARACTER)
        condition = f"{_of_kind(probe, parameters)} AND t.term >= {first} AND t.term < {end}"
        yield Branch(condition, f"{rank} + {_FORMER}")


def _is_in_a_range(term: str, probe: Probe, prefixes: list[Probe]) -> bool:
    """Return whether a range finds a term already, with a rank that is no worse."""
    return probe.match is not MatchKind.SIMILAR and any(
        _contains(prefix, probe) and term.startswith(prefix.terms) for prefix in prefixes
    )


def _contains(prefix: Probe, other: Probe) -> bool:
    return prefix.kind is other.kind and prefix.field in {None, other.field}


def _of_kind(probe: Probe, parameters: Parameters) -> str:
    condition = f"t.tenant_id = :tenant_id AND t.kind = '{probe.kind}'"
    return f"{condition} AND t.field = {parameters.add(probe.field)}" if probe.field else condition
