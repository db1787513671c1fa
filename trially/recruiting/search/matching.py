"""Look up words in the index: which patients match all of them, the best ones first."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from trially.database.placement import current_placement
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.search.branches import STEP, branches_of
from trially.recruiting.search.model import PatientSearchTerm
from trially.recruiting.search.query import RANKS, Word
from trially.resources.scope import PATIENT_TABLE

ALL_WORDS = 100
"""The worst word decides the order. Only among equals, the sum of all words does."""

FEW = 500
"""If a word has at most so many matching terms, other words are looked up patient by patient."""

MOST_COUNTED = 5_000

terms = table_of(PatientSearchTerm).c


class CountedWord(NamedTuple):
    """A word, and the number of terms that match it, up to `MOST_COUNTED`."""

    word: Word
    number: int


class Place(NamedTuple):
    """A patient's place in the result of a search."""

    rank: int
    term: str
    patient_id: UUID


def find_patients(
    words: Sequence[Word],
    conditions: Sequence[ColumnElement[bool]],
    *,
    limit: int,
    after: Place | None = None,
) -> list[Place]:
    """Return the places of patients that match all words and meet the conditions, best first.

    The conditions are about the patient's row.
    """
    found = _found(words, conditions).subquery()
    keys = (found.c.rank, found.c.term, found.c.patient_id)
    statement = select(*keys).order_by(*keys).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*keys) > tuple_(*after))
    return [Place(*row) for row in db.session.execute(statement)]


def count_patients(words: Sequence[Word], conditions: Sequence[ColumnElement[bool]]) -> int:
    """Return the number of patients that match all words and meet the conditions."""
    found = _found(words, conditions).subquery()
    return db.session.execute(select(func.count()).select_from(found)).scalar_one()


def matches(
    words: Sequence[Word], conditions: Sequence[ColumnElement[bool]] = ()
) -> Select[tuple[UUID]]:
    """Return the statement that selects the ids of the patients that match all words."""
    found = _found(words, conditions).subquery()
    return select(found.c.patient_id)


def explain_matches(words: Sequence[Word], patient_ids: Sequence[UUID]) -> dict[UUID, list[Item]]:
    """Return what matched, for each of these patients: for each word, the best term's field."""
    rows = fetch_items(
        select(*columns_named(PatientSearchTerm, ("patient_id", "kind", "field", "use", "term")))
        .where(of_current_tenant(PatientSearchTerm), terms.patient_id == any_(bindparam("ids")))
        .order_by(terms.id),
        ids=list(patient_ids),
    )
    by_patient: dict[UUID, list[Item]] = {patient_id: [] for patient_id in patient_ids}
    for row in rows:
        by_patient[row["patient_id"]].append(row)
    return {patient_id: _explain(words, rows) for patient_id, rows in by_patient.items()}


def _explain(words: Sequence[Word], rows: Sequence[Mapping[str, Any]]) -> list[Item]:
    explained: list[Item] = []
    for word in words:
        found = [
            (STEP * RANKS[probe.match] + (row["use"] is not None), number, probe, row)
            for number, row in enumerate(rows)
            for probe in word
            if probe.accepts(row)
        ]
        if found:
            _, _, probe, row = min(found, key=lambda each: each[:2])
            match = {
                "field": row["field"],
                "use": row["use"],
                "kind": probe.match,
                "hint": probe.hint,
            }
            if match not in explained:
                explained.append(match)
    return explained


def _found(words: Sequence[Word], conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Return the statement that selects patients with the rank and first term of their match.

    It begins with the rarest word. A frequent word, such as an initial, is looked up for the
    patients that a rare one has found; else the patients of both are joined.
    """
    rarest, *others = _rarest_first(words)
    first = _matching(rarest.word, "word_0")
    statement, ranks = select(first.c.patient_id).select_from(first), [first.c.rank]
    for number, other in enumerate(others, 1):
        if rarest.number <= FEW and other.number > FEW:
            looked_up = _looked_up(other.word, first.c.patient_id, f"word_{number}")
            statement = statement.join(looked_up, looked_up.c.rank.is_not(None))
            ranks.append(looked_up.c.rank)
        else:
            joined = _matching(other.word, f"word_{number}")
            statement = statement.join(joined, joined.c.patient_id == first.c.patient_id)
            ranks.append(joined.c.rank)
    worst = func.greatest(*ranks) if len(ranks) > 1 else ranks[0]
    total: ColumnElement[int] = sum(ranks[1:], start=ranks[0])
    statement = statement.add_columns((worst * ALL_WORDS + total).label("rank"), first.c.term)
    if conditions:
        patient = PatientSearchTerm.metadata.tables[PATIENT_TABLE]
        is_found = and_(
            patient.c.tenant_id == current_placement().tenant_id,
            patient.c.id == first.c.patient_id,
        )
        statement = statement.join(patient, is_found).where(*conditions)
    return statement


def _rarest_first(words: Sequence[Word]) -> list[CountedWord]:
    """Return words with the number of their matching terms, as far as they are counted."""
    if len(words) == 1:
        return [CountedWord(words[0], 0)]
    counts = [
        select(func.count())
        .select_from(
            union_all(
                *(select(literal(1)).where(*branch.conditions) for branch in branches_of(word))
            )
            .limit(MOST_COUNTED)
            .subquery()
        )
        .scalar_subquery()
        for word in words
    ]
    numbers = db.session.execute(select(*counts)).one()
    counted = map(CountedWord, words, numbers)
    return sorted(counted, key=lambda word: word.number)


def _matching(word: Word, name: str) -> CTE:
    """Return the patients that match a word, each with the best rank and the first such term."""
    matched = union_all(
        *(
            select(terms.patient_id, terms.term, branch.rank.label("rank")).where(
                *branch.conditions
            )
            for branch in branches_of(word)
        )
    ).subquery()
    return (
        select(
            matched.c.patient_id,
            func.min(matched.c.rank).label("rank"),
            func.min(matched.c.term).label("term"),
        )
        .group_by(matched.c.patient_id)
        .cte(name)
    )


def _looked_up(word: Word, patient_id: ColumnElement[UUID], name: str) -> FromClause:
    """Return the best rank of a patient's own terms for a word; null if none matches."""
    branches = branches_of(word)
    ranks = [(and_(*branch.conditions), branch.rank) for branch in branches]
    return (
        select(func.min(case(*ranks)).label("rank"))
        .where(of_current_tenant(PatientSearchTerm), terms.patient_id == patient_id)
        .lateral(name)
    )
