"""Erase patients, so that no import brings them back.

What stays of an imported patient is a tombstone: digests of the record's key and identifiers, made
with a secret of the source.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from trially.database.changes import note_derived, note_written
from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    of_current_tenant,
    table_of,
)
from trially.database.session import db
from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.problems import Conflict
from trially.recruiting.patients.merging import records_replaced_by, recount_used
from trially.recruiting.patients.model import ErasedPatient, Patient, PatientIdentifier
from trially.recruiting.patients.taken_mrns import defer_mrns
from trially.recruiting.sources.erasure import erasure_digest, identifier_digest
from trially.recruiting.sources.locking import lock_source
from trially.recruiting.sources.model import MANUAL_SOURCE, RecordSource
from trially.resources.resource import Resource

# Other tables that name the record by its key at the source, and so have no foreign key to it.
_FORGET = (
    # A Binary does not say whom it is about. Those that a document has asked for may be the
    # patient's, so an unended import of the source has to do without them.
    """
    DELETE FROM import_binary USING import_job job
    WHERE import_binary.tenant_id = CAST(:tenant_id AS uuid) AND import_binary.uses > 0
    AND job.tenant_id = import_binary.tenant_id AND job.id = import_binary.import_id
    AND job.source = :source
    """,
    """
    DELETE FROM waiting_fact
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND patient_key IN (SELECT json_array_elements_text(CAST(:keys AS json)))
    """,
    """
    DELETE FROM record_deletion
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
    AND base_url = :base_url AND source_type = 'Patient' AND source_id = :source_id
    """,
    """
    DELETE FROM missing_record missing USING import_job job
    WHERE missing.tenant_id = CAST(:tenant_id AS uuid) AND job.tenant_id = missing.tenant_id
    AND job.id = missing.import_id AND job.source = :source
    AND missing.base_url = :base_url AND missing.source_type = 'Patient'
    AND missing.source_id = :source_id
    """,
)


def erase(
    patients: Resource,
    patient_id: UUID,
    versions: Versions | None,
    by: str,
    *,
    may_delete_replaced: bool,
) -> None:
    """Delete a patient who is visible to the caller, with everything that belongs to the person.

    The caller holds the lock of the patient's source. Answers 409 if other records were merged into
    this one and may not be deleted, or the caller may not see them all.
    """
    replaced = _find_replaced(patients, patient_id, may_be_deleted=may_delete_replaced)
    records = _find_records([*replaced, patient_id])
    survivor_id = next(each["replaced_by_id"] for each in records if each["id"] == patient_id)
    # Until all are deleted, those that remain may have the same MRN.
    defer_mrns()
    for each in replaced:
        patients.delete(each, None)
    patients.delete(patient_id, versions)
    for record in records:
        _remember_erased(record, by)
    if survivor_id is not None:
        recount_used(survivor_id)


def _find_replaced(patients: Resource, patient_id: UUID, *, may_be_deleted: bool) -> Sequence[UUID]:
    replaced = records_replaced_by(patient_id)
    visible = patients.visible(replaced)
    if len(visible) < len(replaced):
        detail = (
            "Records that you may not see were merged into this one. Somebody who sees all sites"
            " can delete the patient."
        )
    elif replaced and not may_be_deleted:
        detail = (
            "Other records of this person were merged into this one. Delete them with it"
            " (`replaced=true`), or undo the merges first."
        )
    else:
        return replaced
    raise Conflict(
        detail,
        code=Code.RECORD_REPLACES_OTHERS,
        extensions={"replaced_ids": [str(each) for each in visible]},
    )


def _find_records(patient_ids: Collection[UUID]) -> Sequence[Item]:
    """Return the keys and identifiers of records, and keep imports of their sources waiting."""
    names = ("id", "source", "base_url", "source_id", "replaced_by_id")
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


def _remember_erased(record: Item, by: str) -> None:
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
    _forget(record)


def _forget(record: Item) -> None:
    base_url, source_id = record["base_url"], record["source_id"]
    key = f"{base_url}/Patient/{source_id}" if base_url else source_id
    parameters: dict[str, Any] = {
        "tenant_id": str(current_placement().tenant_id),
        "source": record["source"],
        "base_url": base_url,
        "source_id": source_id,
        "keys": orjson.dumps([key, *record["identifier_keys"]]).decode(),
    }
    for statement in _FORGET:
        db.session.connection().execute(text(statement), parameters)
    note_derived("waiting_fact")


def _identifier_keys(patient_id: UUID, identifiers: Sequence[Item]) -> list[str]:
    """Return the keys by which a reference may name one of a patient's identifiers."""
    return sorted(
        f"?{system}|{each['value']}"
        for each in identifiers
        if each["patient_id"] == patient_id
        for system in {"", each["system"] or ""}
    )
