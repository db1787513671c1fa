"""Note changed rows for the audit record of their transaction.

The functions of `rows` note every row that they write, with old and new values. A statement that
writes many rows is followed by `note_written`, which names the patients. A table that only keeps
the state of work, such as the progress of an import, says so with `info=unaudited("…")`.

If a statement has written another table and nothing of this followed, the transaction cannot be
committed: see `statements`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from blinker import Signal
from sqlalchemy import Table

from trially.audit_notes import Change
from trially.database.classes import Held, class_of
from trially.database.model import TenantModel
from trially.request_state import request_state

changes_noted = Signal()
"""Sent with the `AuditNotes` of a transaction before it is committed. A receiver may write rows."""

PATIENT_TABLE = "patient"
AUDIT_NUMBER, AUDIT_KEY = "audit_number", "audit_key"
_UNAUDITED = "unaudited"
_NAMES_PATIENTS = "names_patients"
_COUNTERS = frozenset({"id", "tenant_id", "version", "updated_at", "clinical_version"})
"""Columns whose changes say nothing that the record itself does not say."""

Values = Mapping[str, tuple[Any, Any]]


def unaudited(reason: str) -> dict[str, str]:
    """Return the `info` of a table whose rows are not audited, for a reason."""
    return {_UNAUDITED: reason}


def names_patients() -> dict[str, bool]:
    """Return the `info` of a table that names patients and has no foreign key to them."""
    return {_NAMES_PATIENTS: True}


def is_audited(table: Table) -> bool:
    """Return whether changes of a table's rows are noted."""
    return _UNAUDITED not in table.info and "append_only" not in table.info


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
    if not is_audited(table):
        return
    notes = request_state().audit
    notes.unnoted.discard(table.name)
    patient_id = row_id if AUDIT_NUMBER in row else row.get("patient_id")
    if AUDIT_NUMBER in row:
        notes.numbers[row_id], notes.keys[row_id] = row[AUDIT_NUMBER], bytes(row[AUDIT_KEY])
    changed = {
        name: (old, new)
        for name, (old, new) in values.items()
        if old != new and name not in _silent_columns(table)
    }
    notes.changes.append(Change(table.name, row_id, patient_id, is_about_patients(table), changed))


def note_change_of_catalog(table: str, row_id: UUID, values: Values) -> None:
    """Note that a request has changed a row of the catalog that belongs to its tenant.

    `values` are old and new values, and none is about a patient.
    """
    changed = {name: (old, new) for name, (old, new) in values.items() if old != new}
    if changed:
        request_state().audit.changes.append(
            Change(table, row_id, None, is_about_patients=False, values=changed)
        )


def note_written(*tables: str, patients: Iterable[UUID] = ()) -> None:
    """Note that statements wrote rows of tables, and whom the rows are about.

    It is for statements that write many rows: the record says which tables and which patients. A
    change by a person that has old and new values is noted with `note_change`. Without patients,
    no row was written.
    """
    notes, written_about = request_state().audit, set(patients)
    notes.unnoted.difference_update(tables)
    if written_about:
        notes.written.update(tables)
        notes.patients |= written_about


def note_derived(*tables: str) -> None:
    """Note that statements wrote what has no record of its own.

    It follows from other rows, as possible duplicates do, or is counted in the record's details.
    """
    request_state().audit.unnoted.difference_update(tables)


@cache
def _silent_columns(table: Table) -> frozenset[str]:
    """Return the columns whose changes are not shown: counters and secrets."""
    classes = {column.name: class_of(table, column.name) for column in table.c}
    return _COUNTERS | {
        name for name, found in classes.items() if found and found.held is Held.SECRET
    }


@cache
def is_about_patients(table: Table) -> bool:
    """Return whether a table is the patients', or references it, directly or through others."""
    return _references(table, PATIENT_TABLE, frozenset())


def shows_patients(table: Table) -> bool:
    """Return whether a table's rows say something about patients, or name them."""
    return is_about_patients(table) or _NAMES_PATIENTS in table.info


def _references(table: Table, name: str, seen: frozenset[str]) -> bool:
    if table.name == name:
        return True
    return any(
        _references(key.referred_table, name, seen | {table.name})
        for key in table.foreign_key_constraints
        if key.referred_table.name not in seen | {table.name}
    )
