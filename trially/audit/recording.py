"""Write the audit record of each transaction, in the message that commits it.

A request, command or job notes what it discloses and changes (`trially.audit_notes`). The session
asks for the record before it commits, and the connection sends it in front of COMMIT. So a record
costs no round trip, a change is committed with its record or not at all, and an answer is sent
only after its record was written.

The COMMIT of a transaction that only reads does not wait for the disk. If PostgreSQL crashes, the
records of its last moments may be lost: those of at most three times `wal_writer_delay`, 0.6 s.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from flask import Flask
from sqlalchemy import bindparam, select
from uuid_utils.compat import uuid7

from trially.audit.actors import Actor, current_actor
from trially.audit.changes import describe_changes, patients_of
from trially.audit.forms import Form
from trially.audit.subjects import pack
from trially.audit_notes import AuditNotes
from trially.database.changes import AUDIT_KEY, AUDIT_NUMBER, PATIENT_TABLE
from trially.database.model import TenantModel
from trially.database.placement import Placement, current_placement
from trially.database.session import db
from trially.request_state import request_state
from trially.state import app_state, state_of

NEED_NOT_WAIT = "SET LOCAL synchronous_commit TO off;"
_MOST_KNOWN_FORMS = 100_000


def init_app(app: Flask) -> None:
    """Write an audit record with each transaction that discloses or changes something."""
    state_of(app).compose_audit_record = compose_record


def note(**details: Any) -> None:
    """Note what the record of the open transaction says besides patients and changes.

    No value may identify a patient.
    """
    request_state().audit.details.update(details)


def note_patients(patient_ids: Iterable[UUID]) -> None:
    """Note patients that the open transaction shows or writes."""
    request_state().audit.patients.update(patient_ids)


def compose_record(notes: AuditNotes) -> str:
    """Return the statements that write the record of the open transaction."""
    actor, placement = current_actor(), current_placement()
    only_reads = actor.only_reads and not (notes.changes or notes.written)
    wait = NEED_NOT_WAIT if only_reads else ""
    return wait + _form_sql(actor.form, placement) + _record_sql(notes, actor, placement)


def _record_sql(notes: AuditNotes, actor: Actor, placement: Placement) -> str:
    numbers, missing = _find_numbers(notes)
    details = dict(notes.details)
    if actor.api_key_id is not None:
        details["api_key"] = actor.api_key_id
    if notes.changes:
        details["changes"] = describe_changes(notes)
    if notes.written:
        details["written"] = sorted(notes.written)
    if missing:
        details["unknown_patients"] = missing
    subjects = f"'\\x{pack(numbers).hex()}'" if numbers else "NULL"
    return (
        f"{_insert_of(placement.schema, placement.tenant_id)}{actor.record_id or uuid7()}',"
        f"'{actor.form.id_text}',{_quoted(actor.member_id)},{placement.epoch:d},{actor.outcome:d},"
        f"{_quoted(actor.operator)},{_quoted(actor.request_id)},{subjects},"
        f"{_json(details) if details else 'NULL'});"
    )


@lru_cache
def _insert_of(schema: str, tenant_id: UUID) -> str:
    """Return the beginning of the statement, up to the id of the record."""
    return (
        f"INSERT INTO {schema}.audit_record (tenant_id,id,form_id,member_id,epoch,outcome,operator,"
        f"request_id,subjects,details) VALUES ('{tenant_id}','"
    )


def _form_sql(form: Form, placement: Placement) -> str:
    """Return the statement that stores a form, unless this process knows that it is stored."""
    known = app_state().known_audit_forms
    key = (placement.tenant_id, placement.epoch, form.id)
    if key in known:
        return ""
    if len(known) >= _MOST_KNOWN_FORMS:
        known.clear()
    request_state().new_audit_form = key
    return (
        f"INSERT INTO {placement.schema}.audit_form (tenant_id,id,route,action,purpose,phi_level,"
        f"fields) VALUES ('{placement.tenant_id}','{form.id}',{_quoted(form.route)},"
        f"'{form.action}','{form.purpose}',{_quoted(form.phi_level)},{_json(form.fields)})"
        " ON CONFLICT DO NOTHING;"
    )


def _find_numbers(notes: AuditNotes) -> tuple[list[int], int]:
    """Return the audit numbers of the noted patients, and how many patients have none.

    A patient has none if another transaction has just deleted the patient.
    """
    changed = patients_of(notes.changes) if notes.changes else frozenset()
    patients = notes.patients | changed
    unknown = (patients - notes.numbers.keys()) | (changed - notes.keys.keys())
    if unknown:
        _read_numbers(notes, unknown)
    numbers = [notes.numbers[each] for each in patients if each in notes.numbers]
    return numbers, len(patients) - len(numbers)


def _read_numbers(notes: AuditNotes, patient_ids: Iterable[UUID]) -> None:
    patient = TenantModel.metadata.tables[PATIENT_TABLE].c
    rows = db.session.execute(
        select(patient.id, patient[AUDIT_NUMBER], patient[AUDIT_KEY]).where(
            patient.tenant_id == current_placement().tenant_id,
            patient.id.in_(bindparam("ids", list(patient_ids), expanding=True)),
        )
    )
    for patient_id, number, key in rows:
        notes.numbers[patient_id], notes.keys[patient_id] = number, bytes(key)


def _json(value: Any) -> str:
    return _quoted(orjson.dumps(value, default=str).decode())


def _quoted(value: object) -> str:
    """Return a literal of a value's text, for `standard_conforming_strings`."""
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"
