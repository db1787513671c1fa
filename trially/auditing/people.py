"""The patients whom audit records name by numbers, while they are not erased."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.patients.model import Patient
from trially.request_state import request_state

patient = table_of(Patient).c


@dataclass(frozen=True)
class People:
    """Patients by audit number."""

    ids: Mapping[int, UUID]
    keys: Mapping[int, bytes] = field(repr=False)
    """Keys of their old and new values; empty if the values are not shown."""


def meet_people(audit_numbers: Collection[int], *, with_keys: bool) -> People:
    """Find the patients with these audit numbers, and note that the answer shows them."""
    if not audit_numbers:
        return People({}, {})
    keys = (patient.audit_key,) if with_keys else ()
    rows = db.session.execute(
        select(patient.id, patient.audit_number, *keys).where(
            of_current_tenant(Patient),
            patient.audit_number
            == any_(bindparam("numbers", list(audit_numbers), ARRAY(BigInteger))),
        )
    ).all()
    ids = {row[1]: row[0] for row in rows}
    notes = request_state().audit
    notes.patients.update(ids.values())
    notes.numbers.update({patient_id: number for number, patient_id in ids.items()})
    return People(ids, {row[1]: bytes(row[2]) for row in rows} if with_keys else {})


def numbers_of(patient_id: UUID) -> list[int]:
    """Return the audit numbers of a patient, and of the records that the patient's replaces."""
    rows = db.session.scalars(
        select(patient.audit_number).where(
            of_current_tenant(Patient),
            or_(patient.id == patient_id, patient.replaced_by_id == patient_id),
        )
    )
    return list(rows)
