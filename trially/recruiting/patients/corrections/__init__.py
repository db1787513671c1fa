"""Corrections: values of imported patients that a member changed, and that imports leave alone.

`patient.corrections` has an object for each corrected field: `imported` is what the source says,
`by` is the member and `at` the time. A later import changes `imported` only.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.recruiting.patients.model import Patient
from trially.recruiting.sources.model import MANUAL_SOURCE

CORRECTABLE = (
    *("mrn", "given_name", "family_name", "birth_date", "birth_date_precision", "sex"),
    *("gender_identity", "race", "ethnicity", "language", "phone", "email", "address"),
    *("deceased", "deceased_at", "deceased_on", "deceased_precision"),
)
"""The columns that an import writes and that a member may change."""


def keep_corrections(birth_date: str = "birth_date") -> str:
    """Return SQL of an upsert that records what the source says now of the corrected fields.

    `birth_date` is the column that the upsert writes birth dates to.
    """
    return (
        "corrections = CASE WHEN patient.corrections = '{}' THEN patient.corrections ELSE"
        " (SELECT jsonb_object_agg(field.key, field.value"
        " || jsonb_build_object('imported', to_jsonb(excluded) -> (CASE field.key"
        f" WHEN 'birth_date' THEN '{birth_date}' ELSE field.key END)))"
        " FROM jsonb_each(patient.corrections) AS field) END"
    )


def kept_if_corrected(name: str, column: str | None = None) -> str:
    """Return SQL of an upsert: the stored value of a corrected field, else the new one.

    `column` is the one that holds it, by default that of the same name.
    """
    held = column or name
    return f"CASE WHEN patient.corrections ? '{name}' THEN patient.{held} ELSE excluded.{held} END"


def corrections_after(changes: Mapping[str, Any], by: str) -> ColumnElement[Any]:
    """Return SQL for `corrections` after a member's changes of an imported patient.

    A column that is corrected already keeps what the source says, and one that gets the value that
    it has is not corrected.
    """
    columns = table_of(Patient).c
    corrections: ColumnElement[Any] = columns.corrections
    for name in CORRECTABLE:
        if name not in changes:
            continue
        correction = func.jsonb_build_object(
            name,
            func.jsonb_build_object(
                "imported", func.to_jsonb(columns[name]), "by", by, "at", func.now()
            ),
        )
        is_changed = columns[name].is_distinct_from(changes[name])
        added = case((is_changed, correction), else_=cast({}, JSONB))
        corrections = cast(added, JSONB).concat(corrections)
    return case((columns.source == MANUAL_SOURCE, columns.corrections), else_=corrections)


def lock_corrections(patient_id: UUID) -> Mapping[str, Any]:
    """Return a patient's corrections. No import changes what the source says until the end."""
    columns = table_of(Patient).c
    statement = select(columns.corrections).where(
        of_current_tenant(Patient), columns.id == patient_id
    )
    return {
        name: correction
        for row in fetch_items(statement.with_for_update())
        for name, correction in row["corrections"].items()
    }


def release(corrections: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the columns that give a corrected field its imported value back."""
    names = [name, *_WITH.get(name, ())]
    values = {each: corrections[each]["imported"] for each in names if each in corrections}
    remaining = {field: one for field, one in corrections.items() if field not in values}
    return {**values, "corrections": remaining}


_WITH = {
    "birth_date": ("birth_date_precision",),
    "deceased_at": ("deceased_on", "deceased_precision"),
}
