"""Merge records of one person: one record replaces another, and shows the facts of both.

A replaced record stays, with its own identifiers and names. Facts and documents that came with it
get the `patient_id` of the record that is used, and keep the other as `recorded_patient_id`. So a
merge can be undone at any time.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.rows import update_item
from trially.database.session import db
from trially.recruiting.patients.lifetimes import redate_records
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.visits import LAST_ENCOUNTER
from trially.recruiting.search.current_records import current_records, with_replaced
from trially.recruiting.search.indexing import index_patients

# Statements that read links name the rows by arrays, and not by joins: until the next ANALYZE,
# PostgreSQL believes that a new tenant has one patient, and would join each with each.
_READ = """
SELECT id, base_url || ' ' || source_id AS key,
    link_source_id IS NOT NULL OR replaced_by_id IS NOT NULL AS is_linked
FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
"""
_REPLACING = """
SELECT patient.id AS survivor_id, named.base_url, named.source_id
FROM patient CROSS JOIN jsonb_to_recordset(patient.replaces)
    AS named(base_url text, source_id text)
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.source = :source
AND patient.replaces IS NOT NULL AND patient.withdrawn_at IS NULL
"""

# Other records whose links concern the written ones.
_LINKED = f"""
SELECT id FROM patient
WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source AND link_source_id IS NOT NULL
AND link_base_url || ' ' || link_source_id = ANY(CAST(:keys AS text[]))
UNION
SELECT id FROM patient
WHERE tenant_id = CAST(:tenant_id AS uuid) AND replaced_by_id = ANY(CAST(:ids AS uuid[]))
UNION
SELECT replaced.id FROM (
    {_REPLACING} AND (patient.id = ANY(CAST(:ids AS uuid[]))
        OR named.base_url || ' ' || named.source_id = ANY(CAST(:keys AS text[])))
    OFFSET 0
) AS replacing CROSS JOIN LATERAL (
    SELECT id FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND base_url = replacing.base_url AND source_id = replacing.source_id
) AS replaced
"""

# What a source says of its records. A merge by a member stays until the member undoes it. The
# record that replaces another one may be named by either of both.
_FOLLOW = f"""
WITH replacing AS MATERIALIZED ({_REPLACING}), wanted AS MATERIALIZED (
    SELECT patient.id, patient.replaced_by_id AS former_id, coalesce(
        (SELECT other.id FROM patient other
        WHERE other.tenant_id = CAST(:tenant_id AS uuid) AND other.source = :source
        AND other.base_url = patient.link_base_url AND other.source_id = patient.link_source_id
        AND other.id <> patient.id AND other.withdrawn_at IS NULL),
        (SELECT min(survivor_id::text)::uuid FROM replacing
        WHERE replacing.base_url = patient.base_url AND replacing.source_id = patient.source_id
        AND survivor_id <> patient.id)
    ) AS replaced_by_id
    FROM patient
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.merged_by IS NULL
    AND patient.id = ANY(CAST(:ids AS uuid[]))
)
UPDATE patient SET replaced_by_id = wanted.replaced_by_id, updated_at = now()
FROM wanted WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = wanted.id
AND patient.id = ANY(CAST(:ids AS uuid[]))
AND wanted.former_id IS DISTINCT FROM wanted.replaced_by_id
RETURNING patient.id
"""

_EDGES = """
WITH RECURSIVE edge (id, replaced_by_id, merged_by, active) AS (
    SELECT id, replaced_by_id, merged_by, active FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
    UNION
    SELECT patient.id, patient.replaced_by_id, patient.merged_by, patient.active
    FROM edge JOIN patient ON patient.tenant_id = CAST(:tenant_id AS uuid)
        AND patient.id = edge.replaced_by_id
)
SELECT id, replaced_by_id, merged_by, active FROM edge
"""

_KEEP = """
UPDATE patient SET replaced_by_id = NULL
WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
"""

_UNDO_MERGES_INTO = """
UPDATE patient SET replaced_by_id = NULL, merged_by = NULL, updated_at = now(),
    clinical_version = clinical_version + 1
WHERE tenant_id = CAST(:tenant_id AS uuid) AND replaced_by_id = ANY(CAST(:ids AS uuid[]))
AND merged_by IS NOT NULL
RETURNING id
"""

_TABLES_OF_RECORDS = ("clinical_fact", "document")
_MOVE = """
WITH wanted AS (
    SELECT CAST(key AS uuid) AS record_id, CAST(value AS uuid) AS current_id
    FROM json_each_text(CAST(:current AS json))
), moving AS (
    SELECT record.id, record.patient_id AS former_id, wanted.*
    FROM {table} record JOIN wanted ON record.recorded_patient_id = wanted.record_id
        OR record.patient_id = wanted.record_id AND record.recorded_patient_id IS NULL
    WHERE record.tenant_id = CAST(:tenant_id AS uuid) AND record.patient_id <> wanted.current_id
), moved AS (
    UPDATE {table} record SET patient_id = moving.current_id, updated_at = now(),
        recorded_patient_id = nullif(moving.record_id, moving.current_id)
    FROM moving WHERE record.tenant_id = CAST(:tenant_id AS uuid) AND record.id = moving.id
)
SELECT DISTINCT unnest(ARRAY[former_id, current_id]) AS id FROM moving
"""
_MOVES = [_MOVE.format(table=table) for table in _TABLES_OF_RECORDS]

_RECOUNT = f"""
UPDATE patient SET updated_at = now(), clinical_version = clinical_version + 1,
    last_encounter_on = {LAST_ENCOUNTER}
WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
"""


_FIND_WITHDRAWN = """
SELECT id FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = CAST(:id AS uuid)
AND withdrawn_at IS NOT NULL
"""


class MergeError(ValueError):
    """Two records cannot be merged. The message is a sentence."""


def follow_links(patient_ids: Collection[UUID], source: str) -> None:
    """Replace the records whose source says so, and undo replacements that it no longer says.

    `patient_ids` are those that were written, or that others may have waited for.
    """
    if not patient_ids:
        return
    written = _run(_READ, ids=[str(each) for each in patient_ids])
    linked = {row.id for row in written if row.is_linked}
    keys = [row.key for row in written]
    others = _run(_LINKED, ids=[str(row.id) for row in written], keys=keys, source=source)
    linked.update(row.id for row in others)
    if not linked:
        return
    changed = _run(_FOLLOW, ids=[str(each) for each in linked], source=source)
    note_written("patient", patients=[row.id for row in changed])
    if changed:
        ids = [row.id for row in changed]
        _open_circles(ids)
        _move_records_and_terms(ids)


def stop_replacing(patient_ids: Collection[UUID], source: str) -> None:
    """Let the records stand for themselves again that withdrawn ones have replaced.

    Otherwise no record would stand for the person. A link of the source is followed again when the
    withdrawn record comes back; a merge by a member is undone.
    """
    undone = _run(_UNDO_MERGES_INTO, ids=[str(each) for each in patient_ids])
    note_written("patient", patients=[row.id for row in undone])
    if undone:
        _move_records_and_terms([row.id for row in undone])
    follow_links(patient_ids, source)


def merge(patient_id: UUID, into: UUID, by: str) -> None:
    """Let another record replace a patient's. Raises `MergeError` for a circle."""
    if current_records([into]).get(into) == patient_id or patient_id == into:
        raise MergeError("The other record is replaced by this one, or is the same.")
    if _run(_FIND_WITHDRAWN, id=str(into)):
        raise MergeError("The other record is withdrawn, so it cannot stand for the person.")
    _set_replaced(patient_id, into, by)
    _move_records_and_terms([patient_id])


def records_replaced_by(patient_id: UUID) -> Sequence[UUID]:
    """Return the records that a record replaces, also through others. The nearest ones are last."""
    return [each for each in with_replaced([patient_id]) if each != patient_id][::-1]


def recount_used(patient_id: UUID) -> None:
    """Recount what the record shows that is used in place of one, after its facts changed."""
    _recount(current_records([patient_id]).values())


def unmerge(patient_id: UUID) -> None:
    """Let a replaced record stand for itself again, with the facts that came with it."""
    _set_replaced(patient_id, None, None)
    _move_records_and_terms([patient_id])


def _set_replaced(patient_id: UUID, into: UUID | None, by: str | None) -> None:
    values = {
        "replaced_by_id": into,
        "merged_by": by,
        "clinical_version": Patient.clinical_version + 1,
    }
    update_item(Patient, patient_id, values, ("id",))


def _recount(patient_ids: Collection[UUID]) -> None:
    """Recount what records show, after facts have moved to them or away from them."""
    _run(_RECOUNT, ids=sorted(map(str, patient_ids)))
    note_written("patient", patients=patient_ids)


def _open_circles(patient_ids: Collection[UUID]) -> None:
    """Let one record of each circle stand for itself, so that no person is lost.

    It is a record that its source calls active, if there is any, and never one that a member
    merged.
    """
    edges = {row.id: row for row in _run(_EDGES, ids=[str(each) for each in patient_ids])}
    for circle in _find_circles({each: row.replaced_by_id for each, row in edges.items()}):
        kept = min(
            circle,
            key=lambda each: (edges[each].merged_by is not None, not edges[each].active, each),
        )
        _run(_KEEP, ids=[str(kept)])
        note_written("patient", patients=[kept])


def _find_circles(replaced_by: Mapping[UUID, UUID | None]) -> list[list[UUID]]:
    """Return the records of each circle in which records replace each other."""
    circles, seen = [], set[UUID]()
    for first in replaced_by:
        path: list[UUID] = []
        here: UUID | None = first
        while here is not None and here not in seen:
            seen.add(here)
            path.append(here)
            here = replaced_by.get(here)
        if here in path:
            circles.append(path[path.index(here) :])
    return circles


def _move_records_and_terms(patient_ids: Collection[UUID]) -> None:
    """Show facts and documents at the records of patients that are used now.

    The search finds these by the names and numbers of the records that they replace.
    """
    affected = with_replaced(patient_ids)
    index_patients(affected)
    current = current_records(affected)
    wanted = orjson.dumps({str(one): str(other) for one, other in current.items()}).decode()
    moved = {row.id for move in _MOVES for row in _run(move, current=wanted)}
    note_written(*_TABLES_OF_RECORDS, patients=moved)
    if moved:
        redate_records(moved)
        _recount(moved)


def _run(statement: str, **parameters: object) -> Sequence[Row[Any]]:
    result = db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": str(current_placement().tenant_id)}
    )
    return result.all() if result.returns_rows else []
