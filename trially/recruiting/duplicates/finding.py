"""Find possible duplicates: candidates share a key in the search terms, and are then compared.

So patients are never compared with all others (`candidates`). Replaced and withdrawn records are
not compared. The names and identifiers of a replaced record count for the one that is used.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from uuid_utils.compat import uuid7

from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.duplicates.candidates import pairs_to_compare
from trially.recruiting.duplicates.scoring import LEAST_SCORE, Person, compare, describe
from trially.recruiting.search.current_records import current_records
from trially.recruiting.search.indexing import Transaction, in_steps, read_patients

USED = ("current", "inactive")
"""Statuses of records that are compared."""

AT_A_TIME = 500
"""Patients whose duplicates are found in one transaction."""

_REPLACED = """
SELECT DISTINCT patient_id, record_id FROM patient_search_term
WHERE tenant_id = CAST(:tenant_id AS uuid) AND patient_id = ANY(CAST(:ids AS uuid[]))
AND record_id IS NOT NULL
"""
_FORGET = """
DELETE FROM possible_duplicate
WHERE tenant_id = CAST(:tenant_id AS uuid) AND state = 'open'
AND (patient_id = ANY(CAST(:ids AS uuid[])) OR other_patient_id = ANY(CAST(:ids AS uuid[])))
AND (patient_id, other_patient_id) NOT IN (
    SELECT patient_id, other_patient_id FROM json_to_recordset(CAST(:rows AS json))
        AS r(patient_id uuid, other_patient_id uuid)
)
"""
_RECORD = """
INSERT INTO possible_duplicate (tenant_id, id, patient_id, other_patient_id, score, reasons)
SELECT CAST(:tenant_id AS uuid), id, patient_id, other_patient_id, score, reasons
FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, patient_id uuid, other_patient_id uuid,
    score smallint, reasons jsonb)
ON CONFLICT (tenant_id, patient_id, other_patient_id) DO UPDATE
SET score = excluded.score, reasons = excluded.reasons, updated_at = now()
WHERE (possible_duplicate.score, possible_duplicate.reasons)
    IS DISTINCT FROM (excluded.score, excluded.reasons)
"""
# Terms are written again with each change, and their ids grow with time.
_INDEXED_SINCE = """
SELECT DISTINCT patient_id AS id FROM patient_search_term
WHERE tenant_id = CAST(:tenant_id AS uuid) AND id > CAST(:since AS uuid)
"""


def find_duplicates(patient_ids: Sequence[UUID]) -> int:
    """Record the possible duplicates of patients, and return their number.

    Open pairs that are no longer alike are forgotten. What a user decided about a pair stays.
    """
    ids = [str(each) for each in {*patient_ids, *current_records(patient_ids).values()}]
    rows = _alike(pairs_to_compare(ids))
    _run(_FORGET, ids=ids, rows=orjson.dumps(rows).decode())
    _record(rows)
    return len(rows)


def record_pairs(pairs: Collection[tuple[UUID, UUID]]) -> None:
    """Record those of some pairs of patients that may be one person."""
    _record(_alike(pairs))


def find_all_duplicates(transaction: Transaction) -> Iterator[int]:
    """Find the duplicates of all patients, and yield the number of patients after each step."""
    return in_steps(find_duplicates, transaction, AT_A_TIME)


def find_duplicates_since(since: UUID, transaction: Transaction) -> Iterator[int]:
    """Find the duplicates of the patients that were indexed after the time of a UUIDv7.

    Yield the number of patients after each step.
    """
    with transaction():
        ids = [row.id for row in _run(_INDEXED_SINCE, since=str(since))]
    for start in range(0, len(ids), AT_A_TIME):
        some = ids[start : start + AT_A_TIME]
        with transaction():
            find_duplicates(some)
        yield len(some)


def _alike(pairs: Collection[tuple[UUID, UUID]]) -> list[dict[str, Any]]:
    """Return the rows of those pairs of patients that may be one person."""
    if not pairs:
        return []
    people = _describe({patient_id for pair in pairs for patient_id in pair})
    return list(_compare(pairs, people))


def _record(rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        _run(_RECORD, rows=orjson.dumps(rows).decode())
    note_derived("possible_duplicate")


def _compare(
    pairs: Iterable[tuple[UUID, UUID]], people: dict[UUID, Person]
) -> Iterator[dict[str, Any]]:
    for patient_id, other_id in pairs:
        if not {patient_id, other_id} <= people.keys():
            continue  # One is withdrawn, or another transaction has deleted it meanwhile.
        score, reasons = compare(people[patient_id], people[other_id])
        if score >= LEAST_SCORE:
            yield {
                "id": uuid7(),
                "patient_id": patient_id,
                "other_patient_id": other_id,
                "score": score,
                "reasons": reasons,
            }


def _describe(patient_ids: Collection[UUID]) -> dict[UUID, Person]:
    """Return the patients whose records are used, as they are compared."""
    replaced = _run(_REPLACED, ids=[str(patient_id) for patient_id in patient_ids])
    records = {
        each["id"]: each
        for each in read_patients({*patient_ids, *(row.record_id for row in replaced)})
    }
    others: dict[UUID, list[dict[str, Any]]] = {}
    for row in replaced:
        if row.record_id in records:
            others.setdefault(row.patient_id, []).append(records[row.record_id])
    return {
        patient_id: describe(records[patient_id], others.get(patient_id, ()))
        for patient_id in patient_ids
        if patient_id in records and records[patient_id]["record_status"] in USED
    }


def _run(statement: str, **parameters: Any) -> Sequence[Row[Any]]:
    tenant_id = str(current_placement().tenant_id)
    result = db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": tenant_id}
    )
    return result.all() if result.returns_rows else []
