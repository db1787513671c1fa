"""Deferred records: facts that are read before their patient, and written at the import's end."""

from collections.abc import Callable, Iterable
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import delete, func, select
from uuid_utils.compat import uuid7

from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.import_run import ImportRun
from trially.recruiting.imports.model import ImportDeferral
from trially.recruiting.imports.writing.batches import (
    BATCH_BYTES,
    BATCH_LINES,
    NO_PATIENT,
    Batch,
    LineFault,
    write_batch,
)
from trially.recruiting.imports.writing.document_texts import complete_documents
from trially.recruiting.imports.writing.resources import TranslatedResource, find_written
from trially.recruiting.imports.writing.upserting import compose_insert, run_with_rows


class DeferralRow(TypedDict):
    """A deferred record, ready for JSON."""

    id: UUID
    import_id: UUID
    file: str
    line: int
    resource: dict[str, Any]
    json_bytes: int


_INSERT_DEFERRALS = compose_insert(ImportDeferral, DeferralRow, added=[])


def defer(facts: Iterable[TranslatedResource], import_id: UUID) -> None:
    """Store facts whose patient has not been read yet."""
    rows: list[DeferralRow] = [
        {
            "id": uuid7(),
            "import_id": import_id,
            "file": fact.file,
            "line": fact.line,
            "resource": {"type": fact.type, "rows": fact.rows, "digest": fact.digest},
            "json_bytes": fact.json_bytes,
        }
        for fact in facts
    ]
    if rows:
        run_with_rows(_INSERT_DEFERRALS, rows)


def replay_deferred(run: ImportRun, check_time: Callable[[], None]) -> None:
    """Write all deferred records of an import, the last one first.

    A record whose patient has not been read by then is a fault. `check_time` is called before each
    batch, and raises `ImportTimeError` when the import's time is used up.
    """
    before: UUID | None = None
    while True:
        check_time()
        with run.batch_transaction():
            before = _replay_batch(run, before)
        if before is None:
            return


def _replay_batch(run: ImportRun, before: UUID | None) -> UUID | None:
    """Write the last deferred records before `before`; return the first one's id, None if none."""
    rows = _fetch_batch(run.id, before)
    if not rows:
        return None
    batch = Batch()
    for row in reversed(rows):
        batch.put(TranslatedResource(file=row["file"], line=row["line"], **row["resource"]))
    # If this import has already written a fact, it was read later than the deferred version of it.
    for key in find_written(run.source, batch.resources, run.created_at):
        del batch.resources[key]
    complete_documents(batch, run.id, is_last_chance=True)
    without_patient = write_batch(batch, run.source)
    batch.faults += [LineFault(fact.file, fact.line, NO_PATIENT) for fact in without_patient]
    run.count(batch)
    db.session.execute(
        delete(ImportDeferral).where(
            of_current_tenant(ImportDeferral), ImportDeferral.id.in_([row["id"] for row in rows])
        )
    )
    first: UUID = rows[-1]["id"]
    return first


def _fetch_batch(import_id: UUID, before: UUID | None) -> list[Item]:
    """Return the last deferred records before `before`, as many as fit into a batch."""
    deferral = table_of(ImportDeferral).c
    # The size of the records that come first in the batch.
    preceding = func.coalesce(
        func.sum(deferral.json_bytes).over(order_by=deferral.id.desc(), rows=(None, -1)), 0
    )
    last = select(deferral.id, preceding.label("preceding_bytes")).where(
        of_current_tenant(ImportDeferral), deferral.import_id == import_id
    )
    if before is not None:  # so that the index scan skips the rows that earlier batches deleted
        last = last.where(deferral.id < before)
    fitting = last.order_by(deferral.id.desc()).limit(BATCH_LINES).subquery()
    return fetch_items(
        select(*columns_named(ImportDeferral, ("id", "file", "line", "resource")))
        .join(fitting, fitting.c.id == deferral.id)
        .where(of_current_tenant(ImportDeferral), fitting.c.preceding_bytes < BATCH_BYTES)
        .order_by(deferral.id.desc())
    )
