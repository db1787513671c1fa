"""Note changed rows for the audit record of their transaction.

The functions of `rows` note every row that they write. Other statements name what they write with
`note_change` themselves. A table that only keeps the state of work, such as the progress of an
import, says so with `info=unaudited("…")`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from trially.audit_notes import Change
from trially.database.model import TenantModel
from trially.state import request_state

PATIENT_TABLE = "patient"
AUDIT_NUMBER, AUDIT_KEY = "audit_number", "audit_key"
_UNAUDITED = "unaudited"
_COUNTERS = frozenset({"id", "tenant_id", "version", "updated_at", "clinical_version"})
"""Columns whose changes say nothing that the record itself does not say."""

Values = Mapping[str, tuple[Any, Any]]


def unaudited(reason: str) -> dict[str, str]:
    """Return the `info` of a table whose rows are not audited, for a reason."""
    return {_UNAUDITED: reason}


@cache
def columns_for_audit(model: type[TenantModel]) -> tuple[str, ...]:
    """Return the columns that an audit record needs of a written row, besides those written."""
    columns = model.__table__.c
    return tuple(name for name in (AUDIT_NUMBER, AUDIT_KEY, "patient_id") if name in columns)


def note_numbers(rows: Iterable[dict[str, Any]]) -> None:
    """Take the audit number out of each row of a patient, and note it."""
    numbers = request_state().audit.numbers
    for row in rows:
        numbers[row["id"]] = row.pop(AUDIT_NUMBER)


def note_change(
    model: type[TenantModel], row_id: UUID, row: Mapping[str, Any], values: Values
) -> None:
    """Note that a row was written. `row` has the columns that `columns_for_audit` names.

    `values` are the old and new values of columns, those that did not change included.
    """
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101
    if _UNAUDITED in table.info:
        return
    notes = request_state().audit
    patient_id = row_id if AUDIT_NUMBER in row else row.get("patient_id")
    if AUDIT_NUMBER in row:
        notes.numbers[row_id], notes.keys[row_id] = row[AUDIT_NUMBER], bytes(row[AUDIT_KEY])
    changed = {
        name: (old, new)
        for name, (old, new) in values.items()
        if name not in _COUNTERS and old != new
    }
    notes.changes.append(Change(table.name, row_id, patient_id, is_about_patients(table), changed))


@cache
def is_about_patients(table: Table) -> bool:
    """Return whether a table is the patients', or references it, directly or through others."""
    return _references(table, PATIENT_TABLE, frozenset())


def _references(table: Table, name: str, seen: frozenset[str]) -> bool:
    if table.name == name:
        return True
    return any(
        _references(key.referred_table, name, seen | {table.name})
        for key in table.foreign_key_constraints
        if key.referred_table.name not in seen | {table.name}
    )
