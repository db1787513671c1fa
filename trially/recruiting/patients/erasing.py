"""Erase patients, so that no import brings them back.

What stays of an imported patient is a tombstone: digests of the record's key and identifiers, made
with a secret of the source.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    columns_named,
    delete_item,
    fetch_items,
    of_current_tenant,
    table_of,
)
from trially.database.session import db
from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.problems import Conflict
from trially.recruiting.patients.erasures.counting import count_rows
from trially.recruiting.patients.erasures.forgetting import (
    count_waiting_files,
    forget,
    forget_answers,
    forget_copies,
)
from trially.recruiting.patients.erasures.holds import refuse_held
from trially.recruiting.patients.erasures.model import ErasedPatient
from trially.recruiting.patients.erasures.reasons import ErasureReason
from trially.recruiting.patients.erasures.tombstones import ErasedRecords, write_tombstone
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.patients.merging import records_replaced_by, recount_used
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.taken_mrns import defer_mrns
from trially.recruiting.sources.erasure import erasure_digest, identifier_digest
from trially.recruiting.sources.locking import lock_source
from trially.recruiting.sources.model import MANUAL_SOURCE, RecordSource
from trially.resources.resource import Resource


def erase(
    patients: Resource,
    patient_id: UUID,
    versions: Versions | None,
    by: str,
    *,
    may_delete_replaced: bool,
    reason: ErasureReason = ErasureReason.DELETED,
) -> Item:
    """Delete a patient who is visible to the caller, with everything that belongs to the person.

    The caller holds the lock of the patient's source. Returns the tombstone. Answers 409 if other
    records were merged into this one and may not be deleted, if the caller may not see them all, or
    if a legal hold forbids it.
    """
    replaced = _find_replaced(patients, patient_id, may_be_deleted=may_delete_replaced)

    def delete(each: UUID) -> None:
        patients.delete(each, versions if each == patient_id else None)

    return _erase_records(patient_id, replaced, delete, reason, by)


def erase_as_operator(
    patient_id: UUID, *, may_delete_replaced: bool, reason: ErasureReason, by: str
) -> Item:
    """Delete a patient as `erase` does, in an operator's command, which sees all sites."""
    replaced = records_replaced_by(patient_id)
    if replaced and not may_delete_replaced:
        raise _replaces_others(_DELETE_WITH_IT, replaced)
    return _erase_records(patient_id, replaced, lambda each: delete_item(Patient, each), reason, by)


def _erase_records(
    patient_id: UUID,
    replaced: Sequence[UUID],
    delete: Callable[[UUID], object],
    reason: ErasureReason,
    by: str,
) -> Item:
    ids = [*replaced, patient_id]
    refuse_held(ids)
    records = find_records(ids)
    before = count_rows(ids)
    [record] = [each for each in records if each["id"] == patient_id]
    # Until all are deleted, those that remain may have the same MRN.
    defer_mrns()
    for each_id in ids:
        delete(each_id)
    for each in records:
        remember_erased(each, by)
    forget_answers(ids)
    forget_copies()
    if record["replaced_by_id"] is not None:
        recount_used(record["replaced_by_id"])
    erased = ErasedRecords(
        patient_id=patient_id,
        site_id=record["site_id"],
        patient_ids=ids,
        numbers=[each["audit_number"] for each in records],
        before=before,
        after=count_rows(ids),
        waiting_files=count_waiting_files(),
    )
    return write_tombstone(erased, reason, by)


def _find_replaced(patients: Resource, patient_id: UUID, *, may_be_deleted: bool) -> Sequence[UUID]:
    replaced = records_replaced_by(patient_id)
    visible = patients.visible(replaced)
    if len(visible) < len(replaced):
        detail = (
            "Records that you may not see were merged into this one. Somebody who sees all sites"
            " can delete the patient."
        )
    elif replaced and not may_be_deleted:
        detail = _DELETE_WITH_IT
    else:
        return replaced
    raise _replaces_others(detail, visible)


_DELETE_WITH_IT = (
    "Other records of this person were merged into this one. Delete them with it"
    " (`replaced=true`), or undo the merges first."
)


def _replaces_others(detail: str, visible: Iterable[UUID]) -> Conflict:
    return Conflict(
        detail,
        code=Code.RECORD_REPLACES_OTHERS,
        extensions={"replaced_ids": [str(each) for each in visible]},
    )


def find_records(patient_ids: Collection[UUID]) -> Sequence[Item]:
    """Return the keys and identifiers of records, and keep imports of their sources waiting."""
    names = ("id", "site_id", "source", "base_url", "source_id", "replaced_by_id", "audit_number")
    records = fetch_items(
        select(*columns_named(Patient, names)).where(
            of_current_tenant(Patient), table_of(Patient).c.id.in_(patient_ids)
        )
    )
    for source in sorted({record["source"] for record in records}):
        lock_source(source)
    number = table_of(PatientIdentifier).c
    identifiers = fetch_items(
        select(number.patient_id, number.system, number.value).where(
            of_current_tenant(PatientIdentifier), number.patient_id.in_(patient_ids)
        )
    )
    return [
        {**record, "identifier_keys": _identifier_keys(record["id"], identifiers)}
        for record in records
    ]


def remember_erased(record: Item, by: str) -> None:
    """Write the tombstone of an imported record, and delete what waits for the record."""
    if record["source"] == MANUAL_SOURCE:
        return
    source = table_of(RecordSource).c
    salt = db.session.execute(
        select(source.erasure_salt).where(
            of_current_tenant(RecordSource), source.name == record["source"]
        )
    ).scalar_one()
    digests = {
        erasure_digest(bytes(salt), record["base_url"], record["source_id"]),
        *(identifier_digest(bytes(salt), key) for key in record["identifier_keys"]),
    }
    rows = [
        {
            "tenant_id": current_placement().tenant_id,
            "id": uuid7(),
            "source": record["source"],
            "digest": digest,
            "erased_by": by,
        }
        for digest in digests
    ]
    db.session.execute(insert(table_of(ErasedPatient)).on_conflict_do_nothing(), rows)
    note_written("erased_patient", patients=[record["id"]])
    forget(record)


def _identifier_keys(patient_id: UUID, identifiers: Sequence[Item]) -> list[str]:
    """Return the keys by which a reference may name one of a patient's identifiers."""
    return sorted(
        f"?{system}|{each['value']}"
        for each in identifiers
        if each["patient_id"] == patient_id
        for system in {"", each["system"] or ""}
    )
