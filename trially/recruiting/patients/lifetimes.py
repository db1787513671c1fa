"""Mark records and documents dated before the patient's birth or after the patient's death.

They are stored, and their dates are not used. A record and its patient come in either order, and
the birth date and the death may be corrected later: so the database compares them, whenever one of
them is written. A day before the birth is tolerated, because of time zones. So is a year after the
death, in which certificates, autopsies and late results are recorded.
"""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, text

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.patients.ages import resolve_ages
from trially.recruiting.patients.visits import LAST_ENCOUNTER, VISITED_STATUSES

BEFORE_BIRTH, AFTER_DEATH = "before_birth", "after_death"
DAYS_AFTER_DEATH = 366
PATIENTS_AT_ONCE = 50
"""Patients whose records one statement compares."""

_UNCERTAIN_DAYS = "CASE {precision} WHEN 'year' THEN 365 WHEN 'month' THEN 30 ELSE 0 END"


def _day(name: str) -> str:
    offset = f"make_interval(mins => coalesce(fact.{name}_offset, 0))"
    return f"(fact.{name}_at AT TIME ZONE 'UTC' + {offset})::date"


def _last_day(name: str) -> str:
    return f"{_day(name)} + {_UNCERTAIN_DAYS.format(precision=f'fact.{name}_precision')}"


_IS_BEFORE_BIRTH = (
    f"coalesce({_last_day('start')}, {_last_day('end')}, {_day('recorded')})"
    " < patient.birth_date - 1"
)
_DEATH = (
    "coalesce(patient.deceased_on, (patient.deceased_at AT TIME ZONE 'UTC')::date)"
    f" + {_UNCERTAIN_DAYS.format(precision='patient.deceased_precision')}"
)
# A visit that was planned, and did not take place, may be dated after the death.
_IS_AFTER_DEATH = (
    f"{_day('start')} > {_DEATH} + {DAYS_AFTER_DEATH}"
    " AND (fact.type <> 'encounter' OR fact.status IN"
    f" ({', '.join(repr(status) for status in sorted(VISITED_STATUSES))}))"
)

_MARK = f"""
UPDATE clinical_fact SET date_problem = judged.problem, updated_at = now()
FROM (
    SELECT fact.id, CASE WHEN {_IS_BEFORE_BIRTH} THEN '{BEFORE_BIRTH}'
        WHEN {_IS_AFTER_DEATH} THEN '{AFTER_DEATH}' END AS problem
    FROM clinical_fact fact
    JOIN patient ON patient.tenant_id = fact.tenant_id AND patient.id = fact.patient_id
    WHERE fact.tenant_id = CAST(:tenant_id AS uuid)
    AND fact.{{column}} = ANY(CAST(:ids AS uuid[]))
    AND coalesce(fact.date_problem IN ('{BEFORE_BIRTH}', '{AFTER_DEATH}'), true)
) AS judged
WHERE clinical_fact.tenant_id = CAST(:tenant_id AS uuid) AND clinical_fact.id = judged.id
AND clinical_fact.date_problem IS DISTINCT FROM judged.problem
RETURNING clinical_fact.patient_id, clinical_fact.type
"""

_MARK_DOCUMENTS = f"""
UPDATE document SET date_problem = judged.problem, updated_at = now()
FROM (
    SELECT written.id, CASE
        WHEN written.dated_on + {_UNCERTAIN_DAYS.format(precision="written.at_precision")}
            < patient.birth_date - 1 THEN '{BEFORE_BIRTH}'
        WHEN written.dated_on > {_DEATH} + {DAYS_AFTER_DEATH} THEN '{AFTER_DEATH}' END AS problem
    FROM document written
    JOIN patient ON patient.tenant_id = written.tenant_id AND patient.id = written.patient_id
    WHERE written.tenant_id = CAST(:tenant_id AS uuid)
    AND written.{{column}} = ANY(CAST(:ids AS uuid[]))
    AND coalesce(written.date_problem IN ('{BEFORE_BIRTH}', '{AFTER_DEATH}'), true)
) AS judged
WHERE document.tenant_id = CAST(:tenant_id AS uuid) AND document.id = judged.id
AND document.date_problem IS DISTINCT FROM judged.problem
RETURNING document.patient_id
"""

_RECOUNT = f"""
UPDATE patient SET last_encounter_on = {LAST_ENCOUNTER}
WHERE patient.tenant_id = CAST(:tenant_id AS uuid)
AND patient.id = ANY(CAST(:ids AS uuid[]))
"""


def redate_records(patient_ids: Iterable[UUID]) -> None:
    """Bring all records and documents of patients in line with their birth and death."""
    ids = sorted({str(patient_id) for patient_id in patient_ids})
    if ids:
        resolve_ages(ids)
    for start in range(0, len(ids), PATIENTS_AT_ONCE):
        some = ids[start : start + PATIENTS_AT_ONCE]
        _mark("patient_id", some)
        _mark_documents("patient_id", some)


def mark_records(record_ids: Iterable[UUID]) -> None:
    """Bring these records in line with the birth and death of their patients."""
    ids = [str(record_id) for record_id in record_ids]
    if ids:
        _mark("id", ids)


def mark_documents(document_ids: Iterable[UUID | str]) -> None:
    """Bring these documents in line with the birth and death of their patients."""
    ids = [str(document_id) for document_id in document_ids]
    if ids:
        _mark_documents("id", ids)


def _mark(column: str, ids: Collection[str]) -> None:
    """Mark the records that have one of these ids in a column, and recount last encounters."""
    marked = _run(_MARK.format(column=column), ids).all()
    note_written("clinical_fact", patients=[row.patient_id for row in marked])
    visited = {row.patient_id for row in marked if row.type == "encounter"}
    if visited:
        _run(_RECOUNT, [str(patient_id) for patient_id in visited])
        note_written("patient", patients=visited)


def _mark_documents(column: str, ids: Collection[str]) -> None:
    marked = _run(_MARK_DOCUMENTS.format(column=column), ids)
    note_written("document", patients=[row.patient_id for row in marked])


def _run(statement: str, ids: Collection[str]) -> CursorResult[Any]:
    return db.session.connection().execute(
        text(statement), {"tenant_id": str(current_placement().tenant_id), "ids": list(ids)}
    )
