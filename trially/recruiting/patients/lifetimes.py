"""Mark facts and documents that are dated before the patient's birth or after the death.

They are stored, and their dates are not used. A record and its patient come in either order, and
the birth date and the death may be corrected later: so the database compares them, whenever one of
them is written. A day before the birth is tolerated, because of time zones. So is a year after the
death, in which certificates, autopsies and late results are recorded.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy import CursorResult, text

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.patients.ages import resolve_ages
from trially.recruiting.patients.birth_dates import READABLE, birth_dates, given_dates
from trially.recruiting.patients.visits import LAST_ENCOUNTER, VISITED_STATUSES

BEFORE_BIRTH, AFTER_DEATH = "before_birth", "after_death"
DAYS_AFTER_DEATH = 366
PATIENTS_AT_ONCE = 50
"""Patients whose records one statement compares."""

_UNCERTAIN_DAYS = "CASE {precision} WHEN 'year' THEN 365 WHEN 'month' THEN 30 ELSE 0 END"


class _Time(NamedTuple):
    """The columns of a time of a record."""

    at: str
    precision: str
    offset: str

    @classmethod
    def of_fact(cls, name: str) -> Self:
        """Return the columns of the start, the end or the recording of a fact."""
        return cls(f"{name}_at", f"{name}_precision", f"{name}_offset")

    @property
    def day(self) -> str:
        """SQL of the local day."""
        offset = f"make_interval(mins => coalesce(record.{self.offset}, 0))"
        return f"(record.{self.at} AT TIME ZONE 'UTC' + {offset})::date"

    @property
    def last_day(self) -> str:
        """SQL of the last local day that the time may be, if only its month or year is known."""
        days = _UNCERTAIN_DAYS.format(precision=f"record.{self.precision}")
        return f"{self.day} + {days}"


_START, _END, _RECORDED = map(_Time.of_fact, ("start", "end", "recorded"))
_WRITTEN = _Time("at", "at_precision", "at_offset")


_DEATH = (
    "coalesce(patient.deceased_on, (patient.deceased_at AT TIME ZONE 'UTC')::date)"
    f" + {_UNCERTAIN_DAYS.format(precision='patient.deceased_precision')}"
)


def _compose_mark(table: str, last_day: str, first_day: str, may_follow_death: str = "") -> str:
    """Compose the statement that marks the rows of a table, with placeholders.

    They are the column of the ids, and how birth dates are read.
    """
    return f"""
UPDATE {table} SET date_problem = judged.problem, updated_at = now()
FROM (
    SELECT record.id, CASE WHEN {last_day} < {{born}} - 1 THEN '{BEFORE_BIRTH}'
        WHEN {first_day} > {_DEATH} + {DAYS_AFTER_DEATH} {may_follow_death}
        THEN '{AFTER_DEATH}' END AS problem
    FROM {table} record
    JOIN patient ON patient.tenant_id = record.tenant_id AND patient.id = record.patient_id
    {{join}}
    WHERE record.tenant_id = CAST(:tenant_id AS uuid)
    AND record.{{column}} = ANY(CAST(:ids AS uuid[]))
    AND coalesce(record.date_problem IN ('{BEFORE_BIRTH}', '{AFTER_DEATH}'), true)
) AS judged
WHERE {table}.tenant_id = CAST(:tenant_id AS uuid) AND {table}.id = judged.id
AND {table}.date_problem IS DISTINCT FROM judged.problem
"""


# A visit that was planned, and did not take place, may be dated after the death.
_MARK_FACTS = f"""{
    _compose_mark(
        "clinical_fact",
        f"coalesce({_START.last_day}, {_END.last_day}, {_RECORDED.day})",
        _START.day,
        "AND (record.type <> 'encounter' OR record.status IN"
        f" ({', '.join(repr(status) for status in sorted(VISITED_STATUSES))}))",
    )
}
RETURNING clinical_fact.patient_id, clinical_fact.type
"""
_MARK_DOCUMENTS = f"""{_compose_mark("document", _WRITTEN.last_day, _WRITTEN.day)}
RETURNING document.patient_id
"""

_PEOPLE = """
SELECT DISTINCT patient_id FROM {table}
WHERE tenant_id = CAST(:tenant_id AS uuid) AND {column} = ANY(CAST(:ids AS uuid[]))
"""

_RECOUNT = f"""
UPDATE patient SET last_encounter_on = {LAST_ENCOUNTER}
WHERE patient.tenant_id = CAST(:tenant_id AS uuid)
AND patient.id = ANY(CAST(:ids AS uuid[]))
"""


def redate_records(patient_ids: Iterable[UUID]) -> None:
    """Bring all records of these patients in line with the patients' birth and death."""
    ids = sorted({str(patient_id) for patient_id in patient_ids})
    if ids:
        resolve_ages(ids)
    for start in range(0, len(ids), PATIENTS_AT_ONCE):
        some = ids[start : start + PATIENTS_AT_ONCE]
        _mark_facts("patient_id", some)
        _mark_documents("patient_id", some)


def mark_records(record_ids: Iterable[UUID]) -> None:
    """Bring these facts in line with the birth and death of their patients."""
    ids = [str(record_id) for record_id in record_ids]
    if ids:
        _mark_facts("id", ids)


def mark_documents(document_ids: Iterable[UUID | str]) -> None:
    """Bring these documents in line with the birth and death of their patients."""
    ids = [str(document_id) for document_id in document_ids]
    if ids:
        _mark_documents("id", ids)


def _mark_facts(column: str, ids: Collection[str]) -> None:
    """Mark the facts that have one of these ids in a column, and recount last encounters."""
    marked = _mark(_MARK_FACTS, "clinical_fact", column, ids).all()
    note_written("clinical_fact", patients=[row.patient_id for row in marked])
    visited = {row.patient_id for row in marked if row.type == "encounter"}
    if visited:
        _run(_RECOUNT, [str(patient_id) for patient_id in visited])
        note_written("patient", patients=visited)


def _mark_documents(column: str, ids: Collection[str]) -> None:
    marked = _mark(_MARK_DOCUMENTS, "document", column, ids)
    note_written("document", patients=[row.patient_id for row in marked])


def _mark(statement: str, table: str, column: str, ids: Collection[str]) -> CursorResult[Any]:
    dates = birth_dates()
    composed = statement.format(column=column, born=dates.column, join=dates.join)
    if dates is READABLE:
        return _run(composed, ids)
    people = _run(_PEOPLE.format(table=table, column=column), ids).scalars()
    return _run(composed, ids, **given_dates(people.all()))


def _run(statement: str, ids: Collection[str], **parameters: Any) -> CursorResult[Any]:
    own = {"tenant_id": str(current_placement().tenant_id), "ids": list(ids)}
    return db.session.connection().execute(text(statement), own | parameters)
