"""Erase persons again whom a restored archive still holds."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.audit.actors import operator_name
from trially.audit.working import working
from trially.database.rows import Item, delete_item, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.patients.erasing import find_records, remember_erased
from trially.recruiting.patients.erasures.counting import count_rows
from trially.recruiting.patients.erasures.forgetting import (
    count_waiting_files,
    forget_answers,
    forget_copies,
)
from trially.recruiting.patients.erasures.holds import held_among
from trially.recruiting.patients.erasures.reasons import ErasureReason
from trially.recruiting.patients.erasures.tombstones import ErasedRecords, write_tombstone
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
        for record in find_records(erased):
            _erase_again(record)
        return len(erased)


def _erase_again(record: Item) -> None:
    """Erase a restored patient, and write a tombstone: the restore may have lost the first one."""
    ids, by = [record["id"]], operator_name()
    before = count_rows(ids)
    delete_item(Patient, record["id"])
    remember_erased(record, by)
    forget_answers(ids)
    forget_copies()
    erased = ErasedRecords(
        patient_id=record["id"],
        site_id=record["site_id"],
        patient_ids=ids,
        numbers=[record["audit_number"]],
        before=before,
        after=count_rows(ids),
        waiting_files=count_waiting_files(),
    )
    write_tombstone(erased, ErasureReason.REAPPLIED, by)
