"""Imports as jobs: an upload is stored encrypted, and a worker imports it.

The import is found by its fingerprint, which is the job's. So an attempt continues the import of
the attempt before it, and a second run of a finished import finds it and does nothing.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, cast
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from trially.audit.forms import Action
from trially.auth.permissions import Permission
from trially.config import current_settings
from trially.database.placement import current_placement
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.http.problems import Problem
from trially.http.uploads import KEPT_IN_MEMORY_BYTES
from trially.jobs.enqueuing import enqueue
from trially.jobs.files import read_parts, store_file
from trially.jobs.kinds import (
    JobError,
    JobInterruptedError,
    JobTimeError,
    Kind,
    Step,
    Turn,
    register,
)
from trially.jobs.model import UNFINISHED, Job
from trially.recruiting.imports.cancelling import cancel_import
from trially.recruiting.imports.import_run import Caller
from trially.recruiting.imports.limits import ImportInterruptedError, ImportLimits
from trially.recruiting.imports.model import ImportJob, ImportState
from trially.recruiting.imports.reading.source_files import ImportSourceError
from trially.recruiting.imports.running import ImportStoppedError
from trially.recruiting.imports.slots import TooManyQueuedError
from trially.recruiting.imports.uploads.formats import UploadedFile, open_upload
from trially.recruiting.imports.uploads.importing import import_upload
from trially.recruiting.sources.locking import lock_until_commit
from trially.request_state import request_state

FAILED = "The import failed. Read its errors."
INTERRUPTED = "The job was interrupted. It continues the import when it runs again."
LONGEST_SECONDS = 6 * 3600.0
_ENDED = (ImportState.DONE, ImportState.FAILED)


def enqueue_import(
    upload: UploadedFile, media_type: str, charset: str | None, query: Mapping[str, Any]
) -> Item:
    """Store an upload, and return the job that imports it. Raises `TooManyQueuedError`."""
    _refuse_many()
    job_id = uuid7()
    parameters = {
        "media_type": media_type,
        "charset": charset,
        "query": dict(query),
        "bytes": upload.source_file.size,
    }
    job = enqueue(IMPORT, parameters, job_id)
    with upload.source_file.reading() as read:
        store_file(job_id, read)
    return job


def _refuse_many() -> None:
    most, job = current_settings().queued_imports_per_tenant, table_of(Job)
    lock_until_commit(f"queued imports {current_placement().tenant_id}")
    queued = select(func.count()).where(
        of_current_tenant(Job), job.c.kind == IMPORT.name, job.c.state.in_(UNFINISHED)
    )
    if db.session.execute(queued).scalar_one() >= most:
        raise TooManyQueuedError(most)


def _import(turn: Turn) -> None:
    parameters = turn.parameters
    # A job may take longer than a request. Its own limit of time is that of its kind.
    limits = replace(ImportLimits.of_upload(current_settings()), most_seconds=None)
    with _restored(turn.job_id, parameters["bytes"]) as file:
        with transaction():
            upload = _open(file, turn, limits)
            ended = _find_ended(upload.fingerprint, parameters["query"]["source"])
        if ended is None:
            ended = _run(upload, turn, limits)
    result = {"import_id": str(ended["id"])}
    if ended["state"] == ImportState.FAILED:
        raise JobError(FAILED, result)
    turn.result(**result)


def _open(file: BinaryIO, turn: Turn, limits: ImportLimits) -> UploadedFile:
    digest = hashlib.sha256(turn.job_id.bytes).hexdigest()
    media_type, charset = turn.parameters["media_type"], turn.parameters["charset"]
    try:
        upload = open_upload(file, digest, media_type, charset, turn.parameters["query"], limits)
        upload.check()
    except Problem as problem:
        raise JobError("The upload cannot be read any more as when it was sent.") from problem
    return upload


def _run(upload: UploadedFile, turn: Turn, limits: ImportLimits) -> Item:
    identity = request_state().identity
    try:
        return import_upload(
            upload,
            turn.parameters["query"],
            limits,
            started_by=None if identity is None else identity.subject,
            caller=_caller_of(turn),
        )
    except ImportInterruptedError:
        turn.check()  # raises what has interrupted the import
        raise
    except ImportStoppedError as error:
        raise JobError(str(error), {"import_id": str(error.job["id"])}) from error
    except ImportSourceError as error:
        raise JobError("The upload cannot be read.") from error


def _caller_of(turn: Turn) -> Caller:
    """Return how an import speaks with its job.

    The job names the import as soon as that begins, so that its counts can be followed, and so
    that it can be ended after the job was cancelled.
    """

    def check() -> None:
        try:
            turn.check()
        except (JobInterruptedError, JobTimeError) as error:
            raise ImportInterruptedError(INTERRUPTED) from error

    return Caller(
        begun=lambda import_id: turn.publish(import_id=str(import_id)),
        check=check,
        progress=lambda done: turn.progress(done, turn.parameters["bytes"]),
    )


def _cancel(turn: Turn) -> None:
    """End the import that the job has begun."""
    if import_id := turn.results.get("import_id"):
        cancel_import(UUID(import_id))


def _find_ended(fingerprint: str, source: str) -> Item | None:
    """Return the import of an earlier attempt that has ended."""
    statement = (
        select(*columns_named(ImportJob, ("id", "state")))
        .where(
            of_current_tenant(ImportJob),
            ImportJob.fingerprint == fingerprint,
            ImportJob.source == source,
            ImportJob.state.in_(_ENDED),
        )
        .limit(1)
    )
    return next(iter(fetch_items(statement)), None)


@contextmanager
def _restored(job_id: UUID, size: int) -> Iterator[BinaryIO]:
    """Yield the upload in a file without a name. Raises `JobError` if a part of it is gone."""
    with tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY_BYTES) as file:
        with transaction():
            for part in read_parts(job_id):
                file.write(part)
        if file.tell() != size:
            raise JobError("The upload is not stored any more. Send it again.")
        file.seek(0)
        yield cast("BinaryIO", file)


IMPORT = register(
    Kind(
        "import",
        (Step("import", _import, has_own_transactions=True),),
        needs=Permission.IMPORTS_WRITE,
        action=Action.IMPORT,
        most_seconds=LONGEST_SECONDS,
        most_attempts=20,
        has_file=True,
        when_cancelled=_cancel,
    )
)
