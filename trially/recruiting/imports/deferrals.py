"""Facts that came before the patient they are about, kept until the end of the import."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, select
from uuid_utils.compat import uuid7

from trially.database.rows import columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.jobs import Job
from trially.recruiting.imports.model import ImportDeferral
from trially.recruiting.imports.writing.batches import (
    BATCH_LINES,
    NO_PATIENT,
    Batch,
    Fault,
    write_batch,
)
from trially.recruiting.imports.writing.resources import Resource, find_written
from trially.recruiting.imports.writing.upserting import compose_insert, run_with_rows

_INSERT_DEFERRALS = compose_insert(ImportDeferral)


def defer(resources: Iterable[Resource], import_id: UUID) -> None:
    """Keep facts until their patient has come."""
    items = [
        {
            "id": uuid7(),
            "import_id": import_id,
            "file": resource.file,
            "line": resource.line,
            "resource": {
                "type": resource.type,
                "rows": resource.rows,
                "digest": resource.digest,
            },
        }
        for resource in resources
    ]
    if items:
        run_with_rows(_INSERT_DEFERRALS, items)


def replay_deferred(job: Job) -> None:
    """Write all that was put aside; where the patient has not come, that is a fault."""
    before: UUID | None = None
    while True:
        with job.batch_transaction():
            before = _take_up_last(job, before)
        if before is None:
            return


def delete_deferred(import_id: UUID) -> None:
    """Remove what was put aside."""
    db.session.execute(
        delete(ImportDeferral).where(
            of_current_tenant(ImportDeferral), ImportDeferral.import_id == import_id
        )
    )


def _take_up_last(job: Job, before: UUID | None) -> UUID | None:
    """Write the last that was put aside before `before`, and return where that began."""
    deferral = table_of(ImportDeferral)
    statement = select(*columns_named(ImportDeferral, ("id", "file", "line", "resource"))).where(
        of_current_tenant(ImportDeferral), deferral.c.import_id == job.id
    )
    if before is not None:  # else each batch would wade through all that were removed
        statement = statement.where(deferral.c.id < before)
    rows = fetch_items(statement.order_by(deferral.c.id.desc()).limit(BATCH_LINES))
    if not rows:
        return None
    batch = Batch()
    for row in reversed(rows):
        batch.put(Resource(file=row["file"], line=row["line"], **row["resource"]))
    # What this import has written of the same resource stood behind it in the input.
    for key in find_written(job.source, batch.resources, job.began_at):
        del batch.resources[key]
    missing = write_batch(batch, job.source)
    batch.faults += [Fault(fact.file, fact.line, NO_PATIENT) for fact in missing]
    job.count(batch)
    db.session.execute(
        delete(deferral).where(
            of_current_tenant(ImportDeferral), deferral.c.id.in_([row["id"] for row in rows])
        )
    )
    first: UUID = rows[-1]["id"]
    return first
