"""Count the rows about patients in every table that references them, directly or through others."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, or_, select

from trially.database.changes import PATIENT_TABLE, is_about_patients
from trially.database.model import TenantModel
from trially.database.placement import current_placement
from trially.database.session import db


def count_rows(patient_ids: Collection[UUID]) -> dict[str, int]:
    """Return how many rows about some patients each table has."""
    tables = [each for each in TenantModel.metadata.sorted_tables if is_about_patients(each)]
    counts = [
        select(func.count())
        .select_from(table)
        .where(_is_about(table, patient_ids))
        .scalar_subquery()
        for table in tables
    ]
    numbers = db.session.execute(select(*counts)).one()
    return dict(zip([each.name for each in tables], map(int, numbers), strict=True))


def _is_about(table: Table, patient_ids: Collection[UUID]) -> ColumnElement[bool]:
    own = table.c.tenant_id == current_placement().tenant_id
    if table.name == PATIENT_TABLE:
        return own & table.c.id.in_(patient_ids)
    found = [
        column.in_(patient_ids)
        if parent.name == PATIENT_TABLE
        else column.in_(select(parent.c.id).where(_is_about(parent, patient_ids)))
        for column, parent in _references(table)
    ]
    return own & or_(*found)


def _references(table: Table) -> list[tuple[ColumnElement[UUID], Table]]:
    """Return the columns that reference rows about patients, with the tables of those rows."""
    return [
        (next(column for column in key.columns if column.name != "tenant_id"), key.referred_table)
        for key in table.foreign_key_constraints
        if key.referred_table is not table and is_about_patients(key.referred_table)
    ]
