"""Deferred records: facts that are read before their patient, and written at the import's end."""

from collections.abc import Iterable
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import delete, select
from uuid_utils.compat import uuid7

from trially.database.rows import columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.import_run import ImportRun
from trially.recruiting.imports.model import ImportDeferral
from trially.recruiting.imports.writing.batches import (
    BATCH_LINES,
    NO_PATIENT,
    Batch,
    LineFault,
    write_batch,
)
from trially.recruiting.imports.writing.resources import TranslatedResource, find_written
from trially.recruiting.imports.writing.upserting import compose_insert, run_with_rows


class DeferralRow(TypedDict):
    """A deferred record, ready for JSON."""

    id: UUID
    import_id: UUID
    file: str
    line: int
    resource: dict[str, Any]


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
        }
        for fact in facts
    ]
    if rows:
        run_with_rows(_INSERT_DEFERRALS, rows)


def replay_deferred(run: ImportRun) -> None:
    """Write all deferred records of an import, the last one first.

    A record whose patient has not been read by then is a fault.
    """
    before: UUID | None = None
    while True:
        with run.batch_transaction():
            before = _replay_batch(run, before)
        if before is None:
            return


def delete_deferred(import_id: UUID) -> None:
    """Delete all deferred records of an import."""
    db.session.execute(
        delete(ImportDeferral).where(
            of_current_tenant(ImportDeferral), ImportDeferral.import_id == import_id
        )
    )


def _replay_batch(run: ImportRun, before: UUID | None) -> UUID | None:
    """Write the last deferred records before `before`; return the first one's id, None if none."""
    deferral = table_of(ImportDeferral)
    statement = select(*columns_named(ImportDeferral, ("id", "file", "line", "resource"))).where(
        of_current_tenant(ImportDeferral), deferral.c.import_id == run.id
    )
    if before is not None:  # so that the index scan skips the rows that earlier batches deleted
        statement = statement.where(deferral.c.id < before)
    rows = fetch_items(statement.order_by(deferral.c.id.desc()).limit(BATCH_LINES))
    if not rows:
        return None
    batch = Batch()
    for row in reversed(rows):
        batch.put(TranslatedResource(file=row["file"], line=row["line"], **row["resource"]))
    # If this import has already written a fact, it was read later than the deferred version of it.
    for key in find_written(run.source, batch.resources, run.created_at):
        del batch.resources[key]
    without_patient = write_batch(batch, run.source)
    batch.faults += [LineFault(fact.file, fact.line, NO_PATIENT) for fact in without_patient]
    run.count(batch)
    db.session.execute(
        delete(deferral).where(
            of_current_tenant(ImportDeferral), deferral.c.id.in_([row["id"] for row in rows])
        )
    )
    first: UUID = rows[-1]["id"]
    return first
