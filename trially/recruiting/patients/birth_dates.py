"""Give SQL the birth dates of patients, which it cannot read where the tenant encrypts fields."""

from collections.abc import Collection
from typing import Any, NamedTuple

import orjson
from sqlalchemy import select

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.database.sealing import field_state
from trially.recruiting.patients.model import Patient


class BirthDates(NamedTuple):
    """How a statement that selects from `patient` reads birth dates."""

    join: str
    """SQL that follows the join with `patient`."""

    column: str
    """SQL of the birth date."""


READABLE = BirthDates("", "patient.birth_date")
GIVEN = BirthDates(
    "LEFT JOIN json_to_recordset(CAST(:born AS json)) AS born(id uuid, birth_date date)"
    " ON born.id = patient.id",
    "born.birth_date",
)
"""The parameter `born` has the opened dates: `given_dates` returns it."""


def birth_dates() -> BirthDates:
    """Return how statements read the birth dates of the current tenant."""
    return GIVEN if field_state().is_sealed else READABLE


def given_dates(patient_ids: Collection[Any]) -> dict[str, str]:
    """Return the parameters that statements need for the birth dates of these patients."""
    if not field_state().is_sealed:
        return {}
    columns = table_of(Patient).c
    rows = fetch_items(
        select(columns.id, columns.birth_date).where(
            of_current_tenant(Patient), columns.id.in_(list(patient_ids))
        )
    )
    return {"born": orjson.dumps(rows).decode()}
