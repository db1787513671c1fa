"""Merge records of one person: one record replaces another, and shows the facts of both.

A replaced record stays, with its own identifiers and names. Facts that came with it get the
`patient_id` of the record that is used, and keep the other as `recorded_patient_id`. So a merge can
be undone at any time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text

from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.patients.lifetimes import redate_records
from trially.recruiting.patients.visits import LAST_ENCOUNTER

# UNION drops repeated rows, so that a circle of records ends the recursion.
_CURRENT = """
WITH RECURSIVE chain (first_id, id, replaced_by_id) AS (
    SELECT id, id, replaced_by_id FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
    UNION
    SELECT chain.first_id, patient.id, patient.replaced_by_id
    FROM chain JOIN patient ON patient.tenant_id = CAST(:tenant_id AS uuid)
        AND patient.id = chain.replaced_by_id
)
SELECT first_id, id FROM chain WHERE replaced_by_id IS NULL
"""

# What a source says of its records. A merge by a member stays until the member undoes it. The
# record that replaces another one may be named by either of both.
_HAS_LINKS = """
SELECT 1 WHERE EXISTS (
    SELECT FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND link_source_id IS NOT NULL
) OR EXISTS (
    SELECT FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND replaces IS NOT NULL
) OR EXISTS (
    SELECT FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND replaced_by_id IS NOT NULL
)
"""

# Each LATERAL subquery ends with OFFSET 0, so that PostgreSQL runs it once for each record, with an
# index. As joins, they compare all records with all others while a new table has no statistics.
_FOLLOW = """
WITH written AS MATERIALIZED (
    SELECT id, base_url, source_id, link_source_id, replaced_by_id FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
), replacing AS MATERIALIZED (
    SELECT patient.id AS survivor_id, named.base_url, named.source_id
    FROM patient CROSS JOIN jsonb_to_recordset(patient.replaces)
        AS named(base_url text, source_id text)
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.source = :source
    AND patient.replaces IS NOT NULL
), named_by AS MATERIALIZED (
    SELECT replacing.base_url, replacing.source_id FROM replacing JOIN written
        ON written.id = replacing.survivor_id
    UNION
    SELECT base_url, source_id FROM written JOIN replacing USING (base_url, source_id)
), linking AS MATERIALIZED (
    SELECT id FROM written WHERE link_source_id IS NOT NULL OR replaced_by_id IS NOT NULL
    UNION
    SELECT linked.id FROM written CROSS JOIN LATERAL (
        SELECT id FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
        AND link_base_url = written.base_url AND link_source_id = written.source_id OFFSET 0
    ) AS linked
    UNION
    SELECT named.id FROM named_by CROSS JOIN LATERAL (
        SELECT id FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
        AND base_url = named_by.base_url AND source_id = named_by.source_id OFFSET 0
    ) AS named
    UNION
    SELECT replaced.id FROM written CROSS JOIN LATERAL (
        SELECT id FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid)
        AND replaced_by_id = written.id OFFSET 0
    ) AS replaced
), wanted AS MATERIALIZED (
    SELECT linked.id, linked.replaced_by_id AS former_id, coalesce(
        (SELECT other.id FROM patient other
        WHERE other.tenant_id = CAST(:tenant_id AS uuid) AND other.source = :source
        AND other.base_url = linked.link_base_url AND other.source_id = linked.link_source_id
        AND other.id <> linked.id),
        (SELECT min(survivor_id::text)::uuid FROM replacing
        WHERE replacing.base_url = linked.base_url AND replacing.source_id = linked.source_id
        AND survivor_id <> linked.id)
    ) AS replaced_by_id
    FROM linking CROSS JOIN LATERAL (
        SELECT id, base_url, source_id, link_base_url, link_source_id, replaced_by_id FROM patient
        WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = linking.id AND merged_by IS NULL
        OFFSET 0
    ) AS linked
)
UPDATE patient SET replaced_by_id = wanted.replaced_by_id, updated_at = now()
FROM wanted WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = wanted.id
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

_SET_REPLACED = """
UPDATE patient SET replaced_by_id = CAST(:into AS uuid), merged_by = :by, updated_at = now(),
    clinical_version = clinical_version + 1
WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = CAST(:id AS uuid)
"""

_MOVE = """
WITH wanted AS (
    SELECT CAST(key AS uuid) AS record_id, CAST(value AS uuid) AS current_id
    FROM json_each_text(CAST(:current AS json))
), moving AS (
    SELECT fact.id, fact.patient_id AS former_id, wanted.*
    FROM clinical_fact fact JOIN wanted ON fact.recorded_patient_id = wanted.record_id
        OR fact.patient_id = wanted.record_id AND fact.recorded_patient_id IS NULL
    WHERE fact.tenant_id = CAST(:tenant_id AS uuid) AND fact.patient_id <> wanted.current_id
), moved AS (
    UPDATE clinical_fact fact SET patient_id = moving.current_id, updated_at = now(),
        recorded_patient_id = nullif(moving.record_id, moving.current_id)
    FROM moving WHERE fact.tenant_id = CAST(:tenant_id AS uuid) AND fact.id = moving.id
)
SELECT DISTINCT unnest(ARRAY[former_id, current_id]) AS id FROM moving
"""

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


def current_records(patient_ids: Iterable[UUID]) -> Mapping[UUID, UUID]:
    """Return for each record the one that is used in its place, which may be itself."""
    rows = _run(_CURRENT, ids=[str(each) for each in patient_ids])
    return {row.first_id: row.id for row in rows}


def follow_links(patient_ids: Collection[UUID], source: str) -> None:
    """Replace the records whose source says so, and undo replacements that it no longer says.

    `patient_ids` are those that were written, or that others may have waited for.
    """
    if not patient_ids or not _run(_HAS_LINKS, source=source):
        return
    changed = _run(_FOLLOW, ids=[str(each) for each in patient_ids], source=source)
    if changed:
        ids = [row.id for row in changed]
        _open_circles(ids)
        _move_facts(ids)


def merge(patient_id: UUID, into: UUID, by: str) -> None:
    """Let another record replace a patient's. Raises `MergeError` for a circle."""
    if current_records([into]).get(into) == patient_id or patient_id == into:
        raise MergeError("The other record is replaced by this one, or is the same.")
    if _run(_FIND_WITHDRAWN, id=str(into)):
        raise MergeError("The other record is withdrawn, so it cannot stand for the person.")
    _run(_SET_REPLACED, id=str(patient_id), into=str(into), by=by)
    _move_facts([patient_id])


def records_replaced_by(patient_id: UUID) -> Sequence[UUID]:
    """Return the records that a record replaces, also through others. The nearest ones are last."""
    return [row.id for row in _run(_REPLACED, ids=[str(patient_id)]) if row.id != patient_id][::-1]


def recount_used(patient_id: UUID) -> None:
    """Recount what the record shows that is used in place of one, after its facts changed."""
    current = current_records([patient_id])
    _run(_RECOUNT, ids=[str(each) for each in current.values()])


def unmerge(patient_id: UUID) -> None:
    """Let a replaced record stand for itself again, with the facts that came with it."""
    _run(_SET_REPLACED, id=str(patient_id), into=None, by=None)
    _move_facts([patient_id])


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


def _move_facts(patient_ids: Collection[UUID]) -> None:
    """Show facts at the records that are used now, also those of records replaced before."""
    affected = _with_replaced(patient_ids)
    current = current_records(affected)
    moved = _run(
        _MOVE,
        current=orjson.dumps({str(one): str(other) for one, other in current.items()}).decode(),
    )
    if moved:
        redate_records(row.id for row in moved)
        _run(_RECOUNT, ids=[str(row.id) for row in moved])


_REPLACED = """
WITH RECURSIVE below (id) AS (
    SELECT id FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
    UNION
    SELECT patient.id FROM below JOIN patient
        ON patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.replaced_by_id = below.id
)
SELECT id FROM below
"""


def _with_replaced(patient_ids: Collection[UUID]) -> set[UUID]:
    """Return the records, and all that they replace."""
    return {row.id for row in _run(_REPLACED, ids=[str(each) for each in patient_ids])}


def _run(statement: str, **parameters: object) -> Sequence[Row[Any]]:
    result = db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": str(current_placement().tenant_id)}
    )
    return result.all() if result.returns_rows else []
