"""Look up words in the index: which patients match all of them, the best ones first."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    Subquery,
    Uuid,
    and_,
    any_,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
)

from trially.database.changes import PATIENT_TABLE
from trially.database.placement import current_placement
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.search.branches import STEP, Branch, Parameters, branches_of
from trially.recruiting.search.model import PatientSearchTerm
from trially.recruiting.search.query import RANKS, Word

ALL_WORDS = 100
"""The worst word decides the order. Only among equals, the sum of all words does."""

FEW = 500
"""If a word has at most so many matching terms, other words are looked up patient by patient."""

MOST_COUNTED = 5_000

terms = table_of(PatientSearchTerm).c

_EXPLAINED = ("patient_id", "record_id", "kind", "field", "use", "term")


class Finds(StrEnum):
    """Whom a term finds, as SQL of the table `t`."""

    PATIENTS = "t.patient_id"
    """The record that is used, also by what the records that it replaces are called."""

    RECORDS = "coalesce(t.record_id, t.patient_id)"
    """The record that the term comes from."""


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
    finds: Finds,
    limit: int,
    after: Place | None = None,
) -> list[Place]:
    """Return the places of patients that match all words and meet the conditions, best first.

    The conditions are about the patient's row. PostgreSQL looks at the rows in the order of the
    places, and only until there are enough: it would look at thousands for a frequent name.
    """
    found = _found(words, finds)
    keys = (found.c.rank, found.c.term, found.c.patient_id)
    places = select(*keys)
    if after is not None:
        places = places.where(tuple_(*keys) > tuple_(*after))
    place = places.order_by(*keys).subquery("place")
    keys = (place.c.rank, place.c.term, place.c.patient_id)
    statement = select(*keys)
    if conditions:
        patient = _patient_of(place)
        # LIMIT keeps the lookup apart from the sort.
        row = select(literal(1)).where(patient, *conditions).limit(1).lateral("row")
        statement = statement.join(row, true())
    statement = statement.order_by(*keys).limit(limit)
    return [Place(*each) for each in db.session.execute(statement)]


def count_patients(
    words: Sequence[Word], conditions: Sequence[ColumnElement[bool]], finds: Finds
) -> int:
    """Return the number of patients that match all words and meet the conditions."""
    found = _found(words, finds)
    statement = _of_patients(select(func.count()).select_from(found), found, conditions)
    return int(db.session.execute(statement).scalar_one())


def matches(words: Sequence[Word], finds: Finds) -> Select[tuple[UUID]]:
    """Return the statement that selects the ids of the patients that match all words."""
    return select(_found(words, finds).c.patient_id)


def explain_matches(
    words: Sequence[Word], patient_ids: Sequence[UUID], finds: Finds
) -> dict[UUID, list[Item]]:
    """Return what matched, for each of these patients: for each word, the best term's field."""
    is_found = terms.patient_id == any_(bindparam("ids"))
    if finds is Finds.RECORDS:
        own = terms.record_id.is_(None)
        is_found = or_(terms.record_id == any_(bindparam("ids")), and_(own, is_found))
    rows = fetch_items(
        select(*columns_named(PatientSearchTerm, _EXPLAINED))
        .where(of_current_tenant(PatientSearchTerm), is_found)
        .order_by(terms.record_id.is_not(None), terms.id),
        ids=list(patient_ids),
    )
    by_patient: dict[UUID, list[Item]] = {patient_id: [] for patient_id in patient_ids}
    for row in rows:
        if finds is Finds.RECORDS and row["record_id"] is not None:
            row |= {"patient_id": row["record_id"], "record_id": None}
        by_patient[row["patient_id"]].append(row)
    return {patient_id: _explain(words, rows) for patient_id, rows in by_patient.items()}


def _explain(words: Sequence[Word], rows: Sequence[Mapping[str, Any]]) -> list[Item]:
    explained: list[Item] = []
    for word in words:
        found = [
            (STEP * RANKS[probe.match] + _is_former(row), number, probe, row)
            for number, row in enumerate(rows)
            for probe in word
            if probe.accepts(row)
        ]
        if found:
            _, _, probe, row = min(found, key=lambda each: each[:2])
            match = {
                "field": row["field"],
                "use": row["use"],
                "of_replaced_record": row["record_id"] is not None,
                "kind": probe.match,
                "hint": probe.hint,
            }
            if match not in explained:
                explained.append(match)
    return explained


def _is_former(row: Mapping[str, Any]) -> bool:
    """Return whether a term is not from what the patient's own row shows."""
    return row["use"] is not None or row["record_id"] is not None


def _of_patients(
    statement: Select[Any], found: Subquery, conditions: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    """Restrict a statement to found patients whose rows meet the conditions."""
    if not conditions:
        return statement
    patient = PatientSearchTerm.metadata.tables[PATIENT_TABLE]
    return statement.join(patient, _patient_of(found)).where(*conditions)


def _patient_of(found: Subquery) -> ColumnElement[bool]:
    """Return the condition of the row of a found patient."""
    patient = PatientSearchTerm.metadata.tables[PATIENT_TABLE]
    return and_(
        patient.c.tenant_id == current_placement().tenant_id,
        patient.c.id == found.c.patient_id,
    )


def _found(words: Sequence[Word], finds: Finds) -> Subquery:
    """Return the patients that match all words, with their rank, and the first term of one word.

    The statement begins with the rarest word. A frequent word, such as an initial, is looked up for
    the patients that a rare one has found; else the patients of both are joined.
    """
    parameters = Parameters(tenant_id=current_placement().tenant_id)
    rarest, *others = _rarest_first(words)
    tables = [_matching(branches_of(rarest.word, parameters), "w0", finds)]
    for number, other in enumerate(others, 1):
        branches = branches_of(other.word, parameters)
        if rarest.number <= FEW < other.number:
            tables.append(f"CROSS JOIN LATERAL {_looked_up(branches, f'w{number}', finds)}")
        else:
            tables.append(f"JOIN {_matching(branches, f'w{number}', finds)} USING (patient_id)")
    ranks = [f"w{number}.rank" for number in range(len(tables))]
    statement = (
        f"SELECT patient_id, w0.term,"
        f" greatest({', '.join(ranks)}) * {ALL_WORDS} + {' + '.join(ranks)} AS rank"
        f" FROM {' '.join(tables)} WHERE {' AND '.join(f'{rank} IS NOT NULL' for rank in ranks)}"
    )
    return (
        text(statement)
        .bindparams(**parameters)
        .columns(column("patient_id", Uuid), column("term", String), column("rank", Integer))
        .subquery("found")
    )


def _rarest_first(words: Sequence[Word]) -> list[CountedWord]:
    """Return words with the number of their matching terms, as far as they are counted."""
    if len(words) == 1:
        return [CountedWord(words[0], 0)]
    parameters = Parameters(tenant_id=current_placement().tenant_id)
    counts = [
        f"(SELECT count(*) FROM ({_scans(branches_of(word, parameters), '1')}"
        f" LIMIT {MOST_COUNTED}) AS counted)"
        for word in words
    ]
    numbers = db.session.execute(text(f"SELECT {', '.join(counts)}"), parameters).one()
    counted = [CountedWord(word, number) for word, number in zip(words, numbers, strict=True)]
    return sorted(counted, key=lambda each: each.number)


def _matching(branches: Sequence[Branch], name: str, finds: Finds) -> str:
    """Return the patients that match a word, each with the best rank and the first such term."""
    return (
        "(SELECT patient_id, min(rank) AS rank, min(term) AS term"
        f" FROM ({_scans(branches, f'{finds} AS patient_id, t.term')}) AS matching"
        f" GROUP BY patient_id) AS {name}"
    )


def _scans(branches: Sequence[Branch], columns: str) -> str:
    return " UNION ALL ".join(
        f"SELECT {columns}, {branch.rank} AS rank FROM patient_search_term t"
        f" WHERE {branch.condition}"
        for branch in branches
    )


def _looked_up(branches: Sequence[Branch], name: str, finds: Finds) -> str:
    """Return the best rank of a found patient's own terms for a word; null if none matches."""
    cases = " ".join(f"WHEN {branch.condition} THEN {branch.rank}" for branch in branches)
    is_own = "t.patient_id = w0.patient_id"
    if finds is Finds.RECORDS:
        is_own = f"(t.record_id = w0.patient_id OR t.record_id IS NULL AND {is_own})"
    return (
        f"(SELECT min(CASE {cases} END) AS rank FROM patient_search_term t"
        f" WHERE t.tenant_id = :tenant_id AND {is_own})"
        f" AS {name}"
    )
