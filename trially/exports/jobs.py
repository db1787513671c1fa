"""Exports as jobs: a worker writes a ZIP archive into the tenant's own tables, encrypted.

The archive is written in one transaction. So it is complete, or there is none. Some hours after the
job has ended, a worker deletes it.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from trially.audit.forms import Action
from trially.audit.recording import note
from trially.auth.permissions import Permission
from trially.database.placement import current_placement
from trially.database.rows import Item, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.errors import OperatorError
from trially.exports.contents import ALL_PARTS, Part, write_tenant
from trially.exports.targets import ZipTarget
from trially.jobs.enqueuing import enqueue
from trially.jobs.files import FileWriter, delete_file, has_file, read_parts
from trially.jobs.kinds import Kind, Step, Turn, register
from trially.jobs.model import UNFINISHED, Job
from trially.recruiting.sources.locking import lock_until_commit
from trially.request_state import request_state

LONGEST_SECONDS = 2 * 3600.0
ROWS_PER_CHECK = 500
FILE_HOURS = 24.0
"""How long an archive can be downloaded."""


class ExportRunningError(OperatorError):
    """The tenant has an export that waits or runs."""


def enqueue_export(parts: Collection[Part]) -> Item:
    """Return a new job that exports parts. Raises `ExportRunningError`: one runs at a time."""
    job = table_of(Job)
    lock_until_commit(f"exports {current_placement().tenant_id}")
    unfinished = select(func.count()).where(
        of_current_tenant(Job), job.c.kind == EXPORT.name, job.c.state.in_(UNFINISHED)
    )
    if db.session.execute(unfinished).scalar_one():
        raise ExportRunningError("An export of this tenant waits or runs. Wait until it ends.")
    return enqueue(EXPORT, {"parts": [part.value for part in ALL_PARTS if part in parts]})


def expires_at(job: Item) -> dt.datetime | None:
    """Return when the archive of an export is deleted, or None if there is none."""
    ended: dt.datetime | None = job["ended_at"]
    hours = dt.timedelta(hours=FILE_HOURS)
    return None if ended is None or job["state"] != "done" else ended + hours


def is_stored(job: Item) -> bool:
    """Return whether the archive of an export can be downloaded."""
    end = expires_at(job)
    return end is not None and end > dt.datetime.now(dt.UTC) and has_file(job["id"])


def archive_of(job_id: UUID) -> Iterator[bytes]:
    """Yield the archive of an export, decrypted."""
    return read_parts(job_id)


def _export(turn: Turn) -> None:
    """Write the archive, encrypted part by part, in one transaction."""
    parts = [Part(name) for name in turn.parameters["parts"]]
    written = 0

    def check(count: int) -> None:
        nonlocal written
        written += count
        if written % ROWS_PER_CHECK == 0:
            turn.check()
            turn.progress(written)

    with transaction():
        # An attempt before this one may have committed, and died before its step was completed.
        delete_file(turn.job_id)
        request_state().audit.discloses = True
        note(exports=[part.value for part in parts])
        file = FileWriter(turn.job_id)
        target = ZipTarget(file)
        manifest = write_tenant(target, parts, check)
        target.close()
        file.close()
        turn.publish(bytes=file.bytes, files=len(manifest["files"]))
    turn.progress(written, written)


EXPORT = register(
    Kind(
        "export",
        (Step("export", _export, has_own_transactions=True),),
        needs=Permission.EXPORTS_WRITE,
        action=Action.EXPORT,
        most_seconds=LONGEST_SECONDS,
        most_attempts=3,
        file_hours=FILE_HOURS,
    )
)


def describe_export(job: Item) -> dict[str, Any]:
    """Return an export as clients see it."""
    result, is_there = job["result"] or {}, is_stored(job)
    return {
        **{name: job[name] for name in ("id", "state", "error", "created_at", "ended_at")},
        "progress_done": job["progress_done"],
        "bytes": result.get("bytes"),
        "is_stored": is_there,
        "expires_at": expires_at(job),
    }
