"""Erase persons again whom a restored archive still holds."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from trially.audit.actors import operator_name
from trially.audit.working import working
from trially.database.changes import note_written
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.patients.erasing import find_records, remember_erased
from trially.recruiting.patients.erasures.forgetting import forget_answers
from trially.recruiting.patients.erasures.holds import held_among
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.taken_mrns import defer_mrns
from trially.tenancy.erasing.persons import persons_restored


@persons_restored.connect
def erase_restored(_sender: Any, *, patient_ids: Sequence[UUID]) -> int:
    """Erase those of some patients who are there, and return how many there were.

    Patients under a legal hold stay.
    """
    patient = table_of(Patient)
    with working(), transaction():
        is_wanted = of_current_tenant(Patient) & patient.c.id.in_(patient_ids)
        present = db.session.scalars(select(patient.c.id).where(is_wanted)).all()
        erased = sorted(set(present) - held_among(present))
        if not erased:
            return 0
        defer_mrns()
        records = find_records(erased)
        note_written("patient", patients=erased)
        db.session.execute(
            delete(patient).where(of_current_tenant(Patient), patient.c.id.in_(erased))
        )
        for each in records:
            remember_erased(each, operator_name())
        forget_answers(erased)
        return len(erased)
