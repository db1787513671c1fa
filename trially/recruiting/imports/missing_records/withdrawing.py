"""Withdraw the records that a full export lacks, when it is confirmed."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.audit.recording import note
from trially.database.changes import note_derived
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    find_item,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.recruiting.imports.fhir.meta import Version
from trially.recruiting.imports.missing_records.model import MissingRecord
from trially.recruiting.imports.model import Completeness, ImportJob
from trially.recruiting.imports.writing.resources import RecordKey, WriteCounts
from trially.recruiting.imports.writing.upserting import run_with_rows
from trially.recruiting.imports.writing.waiting_rows import FORGET
from trially.recruiting.imports.writing.withdrawing import Withdrawal, withdraw_records
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.sources.locking import lock_source

WITHDRAWN_AT_ONCE = 1_000

_LOWEST_ID = UUID(int=0)

Begin = Callable[[], AbstractContextManager[None]]


class NotListedError(OperatorError):
    """An import has no list of missing records that could be withdrawn."""


_REFUSALS: Mapping[Completeness | None, str] = {
    None: "The import was not declared a full export of its source, so no record is missing from"
    " it. Nothing was withdrawn.",
    Completeness.READING: "The import has not ended. Nothing was withdrawn.",
    Completeness.INCOMPLETE: "The import failed, or could not read a part of its input. A record"
    " that it seems to lack may be in that part. Nothing was withdrawn.",
    Completeness.OVERTAKEN: "Another import of this source ran after this one, or at the same time."
    " Import a full export again. Nothing was withdrawn.",
}


def explain_refusal(completeness: Completeness | None) -> str:
    """Return why an import of this completeness withdraws nothing."""
    return _REFUSALS[completeness]


def withdraw_missing(import_id: UUID, begin: Begin = transaction) -> None:
    """Withdraw the records that an import lacks, in several transactions that `begin` opens.

    If the process dies meanwhile, withdrawing them again continues. Raises `NotListedError` if the
    import may withdraw nothing.
    """
    after: UUID | None = _LOWEST_ID
    while after is not None:
        with begin():
            after = _withdraw_some(import_id, after)


def _withdraw_some(import_id: UUID, after: UUID) -> UUID | None:
    """Withdraw some missing records, and return the id of the last; None at the end."""
    job = find_item(ImportJob, import_id, ("source",))
    if job is None:
        raise NotListedError(_REFUSALS[None])
    lock_source(job["source"])
    job |= find_item(ImportJob, import_id, ("completeness", "counts")) or {"completeness": None}
    if job["completeness"] == Completeness.WITHDRAWN:
        return None
    if job["completeness"] != Completeness.LISTED:
        raise NotListedError(explain_refusal(job["completeness"]))
    missing = table_of(MissingRecord).c
    rows = fetch_items(
        select(*columns_named(MissingRecord, ("id", "base_url", "source_type", "source_id")))
        .where(
            of_current_tenant(MissingRecord),
            missing.import_id == import_id,
            missing.id > after,
        )
        .order_by(missing.id)
        .limit(WITHDRAWN_AT_ONCE)
    )
    if not rows:
        update_item(ImportJob, import_id, {"completeness": Completeness.WITHDRAWN}, ("id",))
        return None
    counts = _withdraw(rows, job["source"])
    note(import_id=import_id, source=job["source"], withdrawn=sum(counts.values()))
    update_item(ImportJob, import_id, {"counts": _with_withdrawn(job["counts"], counts)}, ("id",))
    last: UUID = rows[-1]["id"]
    return last


def _withdraw(rows: Sequence[Item], source: str) -> WriteCounts:
    keys = [RecordKey(row["source_type"], row["base_url"], row["source_id"]) for row in rows]
    counts: WriteCounts = Counter()
    reason = WithdrawalReason.MISSING_FROM_EXPORT
    withdraw_records([Withdrawal(key, reason, Version(None, None)) for key in keys], source, counts)
    run_with_rows(FORGET, [key.columns() for key in keys], source=source)
    note_derived("waiting_fact")
    return counts


def _with_withdrawn(counts: dict[str, Any], withdrawn: WriteCounts) -> dict[str, Any]:
    """Return the counts of an import with the records of each type that were withdrawn."""
    added = {kind: number for (kind, outcome), number in withdrawn.items() if number}
    return {
        **counts,
        **{
            kind: {**counts[kind], "withdrawn": counts[kind]["withdrawn"] + number}
            for kind, number in added.items()
        },
    }
