"""Find the records that are used in the place of replaced ones."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from trially.database.placement import current_placement
from trially.database.session import db

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


def current_records(patient_ids: Iterable[UUID]) -> Mapping[UUID, UUID]:
    """Return for each record the one that is used in its place, which may be itself."""
    return {row.first_id: row.id for row in _run(_CURRENT, patient_ids)}


def with_replaced(patient_ids: Collection[UUID]) -> Sequence[UUID]:
    """Return the records, then those that they replace, and then those that these replace."""
    return [row.id for row in _run(_REPLACED, patient_ids)]


def _run(statement: str, patient_ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    parameters = {
        "tenant_id": str(current_placement().tenant_id),
        "ids": [str(each) for each in patient_ids],
    }
    return db.session.connection().execute(text(statement), parameters).all()
