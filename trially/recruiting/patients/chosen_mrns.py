"""Choose the identifiers that are shown as MRNs again, for all patients of a source."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from trially.database.changes import note_written
from trially.database.model import length_of
from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant
from trially.database.session import db
from trially.http.codes import Code
from trially.http.problems import Conflict
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.settling import refuse_while_fields_change, settle_patients
from trially.recruiting.patients.taken_mrns import (
    SITE_SCOPE,
    check_deferred_mrns,
    defer_mrns,
)
from trially.recruiting.search.indexing import index_patients
from trially.resources.scope import scope_conditions

CHOSEN_AT_ONCE = 5_000
CONFLICTS_NAMED = 20
LONGEST_MRN = length_of(Patient.mrn)

_LOWEST_ID = UUID(int=0)

# The order is that of `choose_number` in `imports/fhir/identifiers.py`. A patient without any
# stored identifier keeps the MRN: it is the id at the source. A correction keeps the column. All
# identifiers have search terms already, but the id at the source has some only while it is shown.
RECHOOSE = """
WITH batch AS MATERIALIZED (
    SELECT id, source_id FROM patient
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source AND id > CAST(:after AS uuid)
    ORDER BY id LIMIT :most
), identified AS (
    SELECT batch.id AS patient_id, batch.source_id, number.id, number.value, number.system,
        number.system IS NOT DISTINCT FROM :system AND :system IS NOT NULL AS is_configured,
        (coalesce(number.use, '') = 'old' OR number.period_end IS NOT NULL)::int AS is_past,
        number.mrn_rank,
        char_length(number.value) <= :longest AS is_usable
    FROM batch JOIN patient_identifier number
        ON number.tenant_id = CAST(:tenant_id AS uuid) AND number.patient_id = batch.id
), chosen AS (
    SELECT DISTINCT ON (patient_id) patient_id,
        CASE WHEN is_candidate THEN value ELSE source_id END AS mrn,
        CASE WHEN is_candidate THEN system END AS mrn_system
    FROM (
        SELECT *, is_usable AND (is_configured OR mrn_rank IS NOT NULL) AS is_candidate
        FROM identified
    ) AS candidate
    ORDER BY patient_id, is_candidate DESC, is_configured DESC,
        CASE WHEN is_configured THEN is_past ELSE mrn_rank END, id
), changed AS (
    UPDATE patient SET updated_at = now(), mrn_system = chosen.mrn_system,
        mrn = CASE WHEN patient.corrections ? 'mrn' THEN patient.mrn ELSE chosen.mrn END,
        corrections = CASE WHEN patient.corrections ? 'mrn' THEN
            jsonb_set(patient.corrections, '{mrn,imported}', to_jsonb(chosen.mrn))
            ELSE patient.corrections END
    FROM chosen
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = chosen.patient_id
    AND (CASE WHEN patient.corrections ? 'mrn' THEN patient.corrections #>> '{mrn,imported}'
        ELSE patient.mrn END, patient.mrn_system)
        IS DISTINCT FROM (chosen.mrn, chosen.mrn_system)
    RETURNING patient.id
), found_anew AS (
    SELECT patient.id FROM patient JOIN chosen ON patient.id = chosen.patient_id
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.mrn <> chosen.mrn
    AND patient.source_id IN (patient.mrn, chosen.mrn)
)
SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last_id,
    ARRAY(SELECT id FROM changed) AS changed, ARRAY(SELECT id FROM found_anew) AS found_anew
"""

_FIND_EQUAL = """
SELECT array_agg(id ORDER BY id) AS ids FROM patient
WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source AND mrn_scope IS NOT NULL
GROUP BY mrn_scope, mrn HAVING count(*) > 1 ORDER BY min(id::text)
"""


def rechoose_mrns(source: str, system: str | None) -> None:
    """Show the identifiers of a system as the MRNs of all patients of a source.

    The caller holds the lock of the source. Answers 409 if two patients would have the same MRN.
    """
    refuse_while_fields_change()
    defer_mrns()
    after: UUID | None = _LOWEST_ID
    while after is not None:
        step = _run(
            RECHOOSE,
            source=source,
            system=system,
            after=str(after),
            most=CHOSEN_AT_ONCE,
            longest=LONGEST_MRN,
        ).one()
        note_written("patient", patients=step.changed)
        # An MRN that was the id at the source is as readable as that, until it is sealed here.
        settle_patients(step.changed)
        index_patients(step.found_anew)
        after = step.last_id
    _refuse_equal([row.ids for row in _run(_FIND_EQUAL, source=source)])
    check_deferred_mrns()


def _refuse_equal(groups: Sequence[Sequence[UUID]]) -> None:
    """Answer 409 if groups of patients have one MRN, and name those that the caller may see."""
    if not groups:
        return
    named = groups[:CONFLICTS_NAMED]
    visible = set(
        db.session.scalars(
            select(Patient.id).where(
                of_current_tenant(Patient),
                Patient.id.in_([patient_id for group in named for patient_id in group]),
                *scope_conditions(SITE_SCOPE),
            )
        )
    )
    detail = (
        f"{len(groups):,} MRNs of this system belong to two or more patients of the source. Merge"
        " the records of one person, or choose another system."
    )
    raise Conflict(
        detail,
        code=Code.ALREADY_EXISTS,
        errors=[{"pointer": "/mrn_system", "detail": detail}],
        extensions={
            "conflicts": [
                [str(patient_id) for patient_id in group if patient_id in visible]
                for group in named
            ]
        },
    )


def _run(statement: str, **parameters: Any) -> Any:
    return db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": str(current_placement().tenant_id)}
    )
