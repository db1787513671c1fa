"""Write the tombstone of an erased person, with a signed certificate of what was counted."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.rows import Item, table_of
from trially.database.session import db
from trially.keys import current_keys, pseudonym
from trially.recruiting.patients.erasures.model import PersonErasure
from trially.recruiting.patients.erasures.reasons import ErasureReason
from trially.tenancy.erasing.certificates import FORMAT, sign
from trially.tenancy.erasing.persons import remember_persons

SHOWN = ("id", "patient_id", "reason", "erased_by", "erased_at", "pseudonyms", "certificate")

WAITING_FILES = (
    "Encrypted uploads that wait for a worker. Each is deleted when its job ends, and its import"
    " leaves the person out."
)


@dataclass(frozen=True)
class ErasedRecords:
    """The records of a person that were erased, with counts before and after."""

    patient_id: UUID
    site_id: UUID | None
    patient_ids: Sequence[UUID]
    """Those that were merged into the patient too."""

    numbers: Sequence[int]
    before: Mapping[str, int]
    after: Mapping[str, int]
    waiting_files: int


def write_tombstone(erased: ErasedRecords, reason: ErasureReason, by: str) -> Item:
    """Write the tombstone, and return it. The catalog remembers an erasure for restores.

    A deletion without a reason may be a mistake, so a restore can bring the patient back.
    The catalog commits first. If this transaction then fails, a restore erases a person whose
    erasure was asked for and answered with an error, rather than bring an erased one back.
    """
    pseudonyms = [
        pseudonym(current_keys().in_use, current_placement().tenant_id, number)
        for number in sorted(erased.numbers)
    ]
    values = {
        "patient_id": erased.patient_id,
        "site_id": erased.site_id,
        "reason": reason.value,
        "erased_by": by,
        "pseudonyms": pseudonyms,
        "certificate": sign(_content(erased, pseudonyms, reason, by)),
    }
    table = table_of(PersonErasure)
    columns = [table.c[name] for name in SHOWN]
    own = {"id": uuid7(), "tenant_id": current_placement().tenant_id}
    row = db.session.execute(insert(table).values(own | values).returning(*columns)).one()
    # Without values: the audit log has no other way from the id to the records of the person.
    note_written("person_erasure", patients=[erased.patient_id])
    if reason is not ErasureReason.DELETED:
        remember_persons(current_placement().tenant_id, erased.patient_ids)
    return dict(zip(SHOWN, row, strict=True))


def _content(
    erased: ErasedRecords, pseudonyms: Sequence[str], reason: ErasureReason, by: str
) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    stores: list[dict[str, Any]] = [
        {"store": f"table {name}", "unit": "rows", "before": count, "after": erased.after[name]}
        for name, count in erased.before.items()
    ]
    files = {"store": "files of jobs", "unit": "files", "before": erased.waiting_files}
    files["after"] = erased.waiting_files
    if erased.waiting_files:
        files["remains"] = WAITING_FILES
    return {
        "format": FORMAT,
        "subject": "person",
        "tenant_id": str(current_placement().tenant_id),
        "patient": str(erased.patient_id),
        "pseudonyms": list(pseudonyms),
        "ordered_at": now,
        "ordered_by": by,
        "reason": reason.value,
        "erased_at": now,
        "stores": [*stores, files],
    }
