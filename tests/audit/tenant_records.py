"""What the audit log of a tenant says."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from trially.audit.changes import open_values
from trially.audit.model import AuditForm, AuditRecord
from trially.audit.subjects import unpack
from trially.audit.working import working
from trially.database.session import db
from trially.recruiting.patients.model import Patient
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context


@dataclass(frozen=True)
class Found:
    """A record, with its form."""

    route: str
    action: str
    purpose: str
    phi_level: str | None
    fields: tuple[str, ...]
    member_id: UUID | None
    operator: str | None
    outcome: int
    request_id: str
    subjects: frozenset[int]
    details: dict[str, Any]

    @property
    def changed(self) -> set[str]:
        """The tables that the record says were changed."""
        tables = {change["table"] for change in self.details.get("changes", ())}
        return tables | set(self.details.get("written", ()))

    def columns(self, table: str) -> set[str]:
        """The columns of a table that the record says were changed."""
        return {
            name
            for change in self.details.get("changes", ())
            if change["table"] == table
            for name in (change.get("columns") or change["values"])
        }


class Log:
    """The records of a tenant that are written from now on."""

    def __init__(self, app: Flask, tenant: Tenant) -> None:
        self._app, self._tenant = app, tenant
        self._seen = set(self._ids())

    def new(self) -> list[Found]:
        """Return the records since the last call, oldest first."""
        fresh = set(self._ids()) - self._seen
        self._seen |= fresh
        return self._read(fresh) if fresh else []

    def numbers(self, patient_ids: Iterable[Any]) -> frozenset[int]:
        """Return the audit numbers of patients."""
        wanted = {UUID(str(each)) for each in patient_ids}
        with self._app.app_context(), tenant_context(str(self._tenant.id)), working():
            rows = db.session.execute(
                select(Patient.id, Patient.audit_number).where(Patient.id.in_(wanted))
            ).all()
        assert {row.id for row in rows} == wanted
        return frozenset(row.audit_number for row in rows)

    def values(self, record: Found, patient_id: str) -> dict[str, Any]:
        """Decrypt the values of the change of a patient."""
        with self._app.app_context(), tenant_context(str(self._tenant.id)), working():
            key = db.session.execute(
                select(Patient.audit_key).where(Patient.id == UUID(patient_id))
            ).scalar_one()
        [sealed] = [each["sealed"] for each in record.details["changes"] if "sealed" in each]
        return open_values(sealed, bytes(key))

    def _ids(self) -> Iterable[UUID]:
        with self._app.app_context(), tenant_context(str(self._tenant.id)), working():
            return db.session.scalars(select(AuditRecord.id)).all()

    def _read(self, ids: Iterable[UUID]) -> list[Found]:
        with self._app.app_context(), tenant_context(str(self._tenant.id)), working():
            rows = db.session.execute(
                select(AuditRecord, AuditForm)
                .join(AuditForm, AuditForm.id == AuditRecord.form_id)
                .where(AuditForm.tenant_id == AuditRecord.tenant_id, AuditRecord.id.in_(ids))
                .order_by(AuditRecord.transaction_id, AuditRecord.id)
            ).all()
            return [_found(record, form) for record, form in rows]


def _found(record: AuditRecord, form: AuditForm) -> Found:
    return Found(
        route=form.route,
        action=form.action,
        purpose=form.purpose,
        phi_level=form.phi_level,
        fields=tuple(form.fields),
        member_id=record.member_id,
        operator=record.operator,
        outcome=record.outcome,
        request_id=record.request_id or record.id.hex,
        subjects=frozenset(unpack(bytes(record.subjects or b""))),
        details=record.details or {},
    )
