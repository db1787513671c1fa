"""Run an import: batch by batch, each committed with how far it came, so that it can go on."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from trially.database.rows import Item, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.imports.deferrals import defer, delete_deferred, replay_deferred
from trially.recruiting.imports.jobs import BadLineError, Job
from trially.recruiting.imports.model import ImportJob, ImportState
from trially.recruiting.imports.reading.resources import read_resources
from trially.recruiting.imports.reading.source_files import SourceFile
from trially.recruiting.imports.writing.batches import Batch, write_batch

_ANALYZE = "SELECT trially.analyze_tables()"
ANALYZED_AFTER_BATCHES = frozenset({1, 4, 16, 64, 256, 1024})

Progress = Callable[[int], None]
"""Told how many bytes of the input, as stored, are done with."""


def run_import(
    parts: Sequence[SourceFile],
    *,
    source: str,
    fingerprint: str,
    strict: bool = False,
    started_by: str | None = None,
    most_bytes: int | None = None,
    progress: Progress = lambda _done: None,
) -> Item:
    """Bring in what `parts` hold, and return the import as it ended.

    If an import of the same input is unfinished, go on behind its last committed batch; should
    it still be at work elsewhere, it ends there with `ImportTakenOverError`. Each batch is one
    transaction of the current tenant. With `strict`, the first bad line ends the import as
    failed: of its batch nothing stays, of those before it all.
    """
    job = Job(source=source, fingerprint=fingerprint, strict=strict, started_by=started_by)
    try:
        _read_parts(job, parts, most_bytes, progress)
        replay_deferred(job)
    except BadLineError as error:
        with job.batch_transaction():
            delete_deferred(job.id)
        return job.fail(error.fault)
    _analyze_tables()
    return job.finish()


def fingerprint_of(parts: Sequence[SourceFile]) -> str:
    """Digest what files an import has: their names, sizes and when they were last changed."""
    listing = "\n".join(f"{part.size} {part.modified_ns} {part.name}" for part in parts)
    return hashlib.sha256(listing.encode()).hexdigest()


def has_run(fingerprint: str) -> bool:
    """Tell whether an import of this input has been done in the current tenant."""
    job = table_of(ImportJob)
    statement = select(job.c.id).where(
        of_current_tenant(ImportJob),
        job.c.fingerprint == fingerprint,
        job.c.state == ImportState.DONE,
    )
    return db.session.execute(statement.limit(1)).first() is not None


def _read_parts(
    job: Job, parts: Sequence[SourceFile], most_bytes: int | None, progress: Progress
) -> None:
    first, skip = job.position
    done_bytes = sum(part.size for part in parts[:first])
    batches = 0
    for number, part in enumerate(parts[first:], first):
        batch = Batch()
        for line in read_resources(part, skip, most_unpacked_bytes=most_bytes):
            batch.add(line)
            if batch.is_full:
                _take_in(batch, job, number)
                progress(done_bytes + min(part.position(), part.size))
                batch = Batch()
                batches += 1
                if batches in ANALYZED_AFTER_BATCHES:
                    _analyze_tables()
        if batch.lines:
            _take_in(batch, job, number)
        done_bytes += part.size
        progress(done_bytes)
        skip = 0


def _take_in(batch: Batch, job: Job, part_number: int) -> None:
    with job.batch_transaction(next_part=part_number, next_line=batch.ordinal):
        defer(write_batch(batch, job.source), job.id)
        job.count(batch)


def _analyze_tables() -> None:
    """Have PostgreSQL look at what the tables have become, so that it chooses the right indexes.

    That is good to have and no more: on a busy server it may take longer than a statement may.
    """
    with suppress(OperationalError), transaction():
        db.session.execute(text(_ANALYZE))
