"""Date records whose source gives the patient's age instead of a date: `start_age`, `end_age`.

The start follows from the birth date, so it is written again when the birth date changes. It is as
precise as the age: "45 years" is the year that begins on the 45th birthday.
"""

from collections.abc import Collection

from sqlalchemy import text

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.patients.birth_dates import (
    GIVEN,
    READABLE,
    BirthDates,
    birth_dates,
    given_dates,
)

_DATED = "(({born} + CAST(fact.{age} AS interval)) AT TIME ZONE 'UTC')"
_PRECISION = (
    "CASE WHEN {born} IS NULL THEN NULL"
    " WHEN patient.birth_date_precision = 'year' OR fact.{age} LIKE '%Y' THEN 'year'"
    " WHEN patient.birth_date_precision = 'month' OR fact.{age} LIKE '%M' THEN 'month'"
    " ELSE 'day' END"
)


def _side(name: str, born: str) -> str:
    """Return the expressions of a start or an end: the age's date, or else what is stored."""
    age = f"{name}_age"
    return (
        f"CASE WHEN fact.{age} IS NULL THEN fact.{name}_at"
        f" ELSE {_DATED.format(age=age, born=born)} END AS {name}_at,"
        f" CASE WHEN fact.{age} IS NULL THEN fact.{name}_precision"
        f" ELSE {_PRECISION.format(age=age, born=born)} END AS {name}_precision"
    )


def _compose(dates: BirthDates) -> str:
    """Compose the statement that dates records by ages."""
    return f"""
UPDATE clinical_fact SET start_at = dated.start_at, start_precision = dated.start_precision,
    end_at = dated.end_at, end_precision = dated.end_precision,
    -- Dates from ages are known to the year only.
    date_problem = CASE
        WHEN dated.end_at + interval '1 year' <= dated.start_at THEN 'ends_before_start'
        WHEN clinical_fact.date_problem <> 'ends_before_start' THEN clinical_fact.date_problem
    END
FROM (
    SELECT fact.id, {_side("start", dates.column)}, {_side("end", dates.column)}
    FROM clinical_fact fact
    JOIN patient ON patient.tenant_id = fact.tenant_id AND patient.id = fact.patient_id
    {dates.join}
    WHERE fact.tenant_id = CAST(:tenant_id AS uuid)
    AND (fact.start_age IS NOT NULL OR fact.end_age IS NOT NULL)
    AND fact.patient_id = ANY(CAST(:patients AS uuid[]))
) AS dated
WHERE clinical_fact.tenant_id = CAST(:tenant_id AS uuid) AND clinical_fact.id = dated.id
AND (clinical_fact.start_at, clinical_fact.end_at) IS DISTINCT FROM (dated.start_at, dated.end_at)
RETURNING clinical_fact.patient_id
"""


RESOLVE_AGES = _compose(READABLE)
_RESOLVE_GIVEN = _compose(GIVEN)


def resolve_ages(patient_ids: Collection[str]) -> None:
    """Date the records of these patients that their source dates by age."""
    dated = db.session.connection().execute(
        text(RESOLVE_AGES if birth_dates() is READABLE else _RESOLVE_GIVEN),
        {
            "tenant_id": str(current_placement().tenant_id),
            "patients": list(patient_ids),
            **given_dates(patient_ids),
        },
    )
    note_written("clinical_fact", patients=[row.patient_id for row in dated])
