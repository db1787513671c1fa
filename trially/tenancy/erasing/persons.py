"""Persons that were erased, and how their erasure is applied again to what is restored.

An archive that was taken before an erasure still holds the person. The catalog remembers the ids of
erased patients, and a restore erases them again before anybody can read the restored rows.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from blinker import Signal
from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from trially.database.placement import enter_placement
from trially.tenancy.administered import administered_placement
from trially.tenancy.archives.signals import rows_loaded
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction, reader_engine
from trially.tenancy.encrypting.states import fields_of
from trially.tenancy.erasing.model import ErasedPerson
from trially.tenancy.tiers import tier_of

MARGIN = dt.timedelta(hours=1)
"""An erasure is recorded before it commits, so a snapshot may be a little younger than the record.
"""

persons_restored = Signal()
"""Sent with `patient_ids` in the context of a placement that was restored.

A receiver erases those of the patients that are there, and returns how many there were.
"""


def remember_persons(tenant_id: UUID, patient_ids: Sequence[UUID]) -> None:
    """Let the catalog remember erased patients. Requests may add to the table, and read nothing."""
    rows = [{"tenant_id": tenant_id, "patient_id": each} for each in patient_ids]
    with reader_engine().begin() as catalog:
        catalog.execute(insert(ErasedPerson).on_conflict_do_nothing().inline(), rows)


def erasures_since(tenant_id: UUID, taken_at: dt.datetime) -> Sequence[ErasedPerson]:
    """Return the persons of a tenant that were erased since a snapshot, or shortly before it.

    To erase a person again who is not there changes nothing.
    """
    with catalog_transaction() as session:
        return session.scalars(
            select(ErasedPerson)
            .where(ErasedPerson.tenant_id == tenant_id, ErasedPerson.erased_at >= taken_at - MARGIN)
            .order_by(ErasedPerson.erased_at)
        ).all()


@rows_loaded.connect
def erase_again(record: PlacementRecord, source_tenant_id: UUID, snapshot_at: dt.datetime) -> int:
    """Erase at a placement whom the archive's tenant has erased since the archive was taken."""
    return apply_erasures(record, erasures_since(source_tenant_id, snapshot_at))


def apply_erasures(record: PlacementRecord, erased: Sequence[ErasedPerson]) -> int:
    """Erase persons again at a placement, and return how many were there.

    It may be a placement that does not serve yet, and of another tenant than the archive's: the
    ids of patients are those of the archive. The catalog remembers them for that tenant too.
    Patients under a legal hold stay.
    """
    patient_ids = [each.patient_id for each in erased]
    if not patient_ids:
        return 0
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context():
        placement = administered_placement(tier_of(record).placement(record))
        enter_placement(replace(placement, fields=fields_of(record.tenant_id)))
        found = persons_restored.send(patient_ids=patient_ids)
    remember_persons(record.tenant_id, patient_ids)
    return sum(number for _, number in found)
