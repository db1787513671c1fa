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

LONGEST_CHAIN = 20
"""Records of which each replaces the one before. Longer chains, and circles, end somewhere."""

_CURRENT = f"""
WITH RECURSIVE chain (first_id, id, replaced_by_id, depth) AS (
    SELECT id, id, replaced_by_id, 0 FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
    UNION ALL
    SELECT chain.first_id, patient.id, patient.replaced_by_id, depth + 1
    FROM chain JOIN patient ON patient.tenant_id = CAST(:tenant_id AS uuid)
        AND patient.id = chain.replaced_by_id
    WHERE depth < {LONGEST_CHAIN}
)
SELECT DISTINCT ON (first_id) first_id, id FROM chain
ORDER BY first_id, (replaced_by_id IS NULL) DESC, depth DESC
"""

# What a source says of its records. A merge by a member stays until the member undoes it.
_FOLLOW = """
WITH wanted AS (
    SELECT id, former_id, (
        SELECT other.id FROM patient other
        WHERE other.tenant_id = CAST(:tenant_id AS uuid) AND other.source = :source
        AND other.base_url = link_base_url AND other.source_id = link_source_id
        AND other.id <> linking.id
    ) AS replaced_by_id
    FROM (
        SELECT id, replaced_by_id AS former_id, link_base_url, link_source_id
        FROM patient WHERE tenant_id = CAST(:tenant_id AS uuid)
        AND id = ANY(CAST(:ids AS uuid[])) AND merged_by IS NULL
        AND (link_source_id IS NOT NULL OR replaced_by_id IS NOT NULL)
        UNION
        SELECT linking.id, linking.replaced_by_id, linking.link_base_url, linking.link_source_id
        FROM patient written JOIN patient linking
            ON linking.tenant_id = CAST(:tenant_id AS uuid) AND linking.source = :source
            AND linking.link_base_url = written.base_url
            AND linking.link_source_id = written.source_id AND linking.merged_by IS NULL
        WHERE written.tenant_id = CAST(:tenant_id AS uuid)
        AND written.id = ANY(CAST(:ids AS uuid[]))
    ) AS linking
)
UPDATE patient SET replaced_by_id = wanted.replaced_by_id, updated_at = now()
FROM wanted WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = wanted.id
AND wanted.former_id IS DISTINCT FROM wanted.replaced_by_id
RETURNING patient.id
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
), moved AS (
    UPDATE clinical_fact fact SET patient_id = wanted.current_id, updated_at = now(),
        recorded_patient_id = nullif(wanted.record_id, wanted.current_id)
    FROM wanted
    WHERE fact.tenant_id = CAST(:tenant_id AS uuid)
    AND (fact.recorded_patient_id = wanted.record_id
        OR fact.patient_id = wanted.record_id AND fact.recorded_patient_id IS NULL)
    AND fact.patient_id <> wanted.current_id
    RETURNING fact.patient_id, wanted.record_id
)
SELECT DISTINCT unnest(ARRAY[patient_id, record_id]) AS id FROM moved
"""

_RECOUNT = """
UPDATE patient SET updated_at = now(), clinical_version = clinical_version + 1,
    last_encounter_on = (
    SELECT (max(start_at) AT TIME ZONE 'UTC')::date FROM clinical_fact
    WHERE clinical_fact.tenant_id = patient.tenant_id AND clinical_fact.patient_id = patient.id
    AND type = 'encounter' AND NOT clinical_fact.entered_in_error
    AND clinical_fact.withdrawn_at IS NULL)
WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
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
    if not patient_ids:
        return
    changed = _run(_FOLLOW, ids=[str(each) for each in patient_ids], source=source)
    if changed:
        _move_facts([row.id for row in changed])


def merge(patient_id: UUID, into: UUID, by: str) -> None:
    """Let another record replace a patient's. Raises `MergeError` for a circle."""
    if current_records([into]).get(into) == patient_id or patient_id == into:
        raise MergeError("The other record is replaced by this one, or is the same.")
    _run(_SET_REPLACED, id=str(patient_id), into=str(into), by=by)
    _move_facts([patient_id])


def unmerge(patient_id: UUID) -> None:
    """Let a replaced record stand for itself again, with the facts that came with it."""
    _run(_SET_REPLACED, id=str(patient_id), into=None, by=None)
    _move_facts([patient_id])


def _move_facts(patient_ids: Collection[UUID]) -> None:
    """Show facts at the records that are used now, also those of records replaced before."""
    affected = _with_replaced(patient_ids)
    current = current_records(affected)
    moved = _run(
        _MOVE,
        current=orjson.dumps({str(one): str(other) for one, other in current.items()}).decode(),
    )
    if moved:
        _run(_RECOUNT, ids=[str(row.id) for row in moved])


_REPLACED = f"""
WITH RECURSIVE below (id, depth) AS (
    SELECT id, 0 FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = ANY(CAST(:ids AS uuid[]))
    UNION
    SELECT patient.id, depth + 1 FROM below JOIN patient
        ON patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.replaced_by_id = below.id
    WHERE depth < {LONGEST_CHAIN}
)
SELECT DISTINCT id FROM below
"""


def _with_replaced(patient_ids: Collection[UUID]) -> set[UUID]:
    """Return the records, and all that they replace."""
    return {row.id for row in _run(_REPLACED, ids=[str(each) for each in patient_ids])}


def _run(statement: str, **parameters: object) -> Sequence[Row[Any]]:
    result = db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": str(current_placement().tenant_id)}
    )
    return result.all() if result.returns_rows else []
