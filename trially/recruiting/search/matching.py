"""Look up words in the index: which patients match all of them, the best ones first."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from trially.database.placement import current_placement
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.search.model import PatientSearchTerm
from trially.recruiting.search.query import RANKS, Probe, Word
from trially.resources.scope import PATIENT_TABLE

LAST_CHARACTER = "\U0010ffff"
"""Greater than all that may follow the beginning of a term."""

ALL_WORDS = 100
"""The worst word decides the order. Only among equals, the sum of all words does."""

_FORMER_NAME = 1
_STEP = 2
"""Steps between ranks. A former name counts half a step more than the name that is shown."""

terms = table_of(PatientSearchTerm).c


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
            (_STEP * RANKS[probe.match] + (row["use"] is not None), number, probe, row)
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
    """Return the statement that selects patients with the rank and first term of their match."""
    each = [_matching(word, number) for number, word in enumerate(words)]
    ranks = [matching.c.rank for matching in each]
    worst = func.greatest(*ranks) if len(ranks) > 1 else ranks[0]
    total: ColumnElement[int] = sum(ranks[1:], start=ranks[0])
    first = each[0]
    statement = select(
        first.c.patient_id, (worst * ALL_WORDS + total).label("rank"), first.c.term
    ).select_from(first)
    for other in each[1:]:
        statement = statement.join(other, other.c.patient_id == first.c.patient_id)
    if conditions:
        patient = PatientSearchTerm.metadata.tables[PATIENT_TABLE]
        statement = statement.join(
            patient,
            and_(
                patient.c.tenant_id == current_placement().tenant_id,
                patient.c.id == first.c.patient_id,
            ),
        ).where(*conditions)
    return statement


def _matching(word: Word, number: int) -> CTE:
    """Return the patients that match a word, each with the best rank and the first such term."""
    branches = [
        select(
            terms.patient_id,
            terms.term,
            (
                literal(_STEP * RANKS[probe.match])
                + case((terms.use.is_(None), literal(0)), else_=literal(_FORMER_NAME))
            ).label("rank"),
        ).where(of_current_tenant(PatientSearchTerm), terms.kind == str(probe.kind), *_meets(probe))
        for probe in word
    ]
    matched = (union_all(*branches) if len(branches) > 1 else branches[0]).subquery()
    return (
        select(
            matched.c.patient_id,
            func.min(matched.c.rank).label("rank"),
            func.min(matched.c.term).label("term"),
        )
        .group_by(matched.c.patient_id)
        .cte(f"word_{number}")
    )


def _meets(probe: Probe) -> list[ColumnElement[bool]]:
    """Return the conditions that a term meets if a probe accepts it."""
    found = [terms.field == probe.field] if probe.field else []
    if not probe.is_prefix:
        if len(probe.terms) == 1:
            return [*found, terms.term == probe.terms[0]]
        return [*found, terms.term == any_(literal(list(probe.terms), ARRAY(Text)))]
    ranges = [
        (terms.term >= beginning) & (terms.term < beginning + LAST_CHARACTER)
        for beginning in probe.terms
    ]
    return [*found, or_(*ranges)]
