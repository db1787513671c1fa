"""Routes of uploads."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from flask import Response, request, url_for

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.config import current_settings
from trially.database.rows import Item
from trially.database.session import check_tenant_open, open_transaction
from trially.http.answering import deferred_response
from trially.http.contract import (
    accepts_stream,
    also_defers,
    prefers_async,
    queries,
    returns,
)
from trially.http.uploads import received_upload
from trially.jobs.schema import JobSchema
from trially.recruiting.imports.dry_run import try_import
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.refusals import answering_refusals, refuse_failed
from trially.recruiting.imports.routes import bp
from trially.recruiting.imports.schema import ImportSchema
from trially.recruiting.imports.slots import slot_of_process
from trially.recruiting.imports.uploads.formats import (
    UploadedFile,
    describe_table,
    open_upload,
    unreadable_table,
)
from trially.recruiting.imports.uploads.importing import import_upload
from trially.recruiting.imports.uploads.jobs import enqueue_import
from trially.recruiting.imports.uploads.media_types import MEDIA_TYPES
from trially.recruiting.imports.uploads.schema import DryRunSchema, UploadQuerySchema


@bp.post("")
@requires(Permission.IMPORTS_WRITE)
@accepts_stream(MEDIA_TYPES)
@queries(UploadQuerySchema())
@returns(ImportSchema(), HTTPStatus.CREATED)
@also_defers(JobSchema())
def import_records(query: dict[str, Any]) -> Item | Response:
    """Import a FHIR R4 Bundle, an NDJSON file, a CSV file or HL7 v2 messages, also with gzip.

    With `Prefer: respond-async`, the answer is 202 as soon as the upload is stored, encrypted.
    `Location` is the job that imports it: poll it, or follow it as server-sent events. Its `result`
    names the import as soon as that has begun. If too many uploads of the tenant wait already, the
    answer is 429.

    Without it, the response is sent when the import ends: 201 with the import. Bad lines are
    skipped and counted. With `strict`, the first error ends the import with 422, and the batches
    before it stay. If nothing can be imported, the answer is 422 too. `Location` is then the failed
    import, whose errors say why. If the same body is sent again, an interrupted import continues,
    and a finished one changes nothing. If the first request is still running, that request ends
    with 409.

    With `complete`, the upload is a full export of its source. The answer then has in `missing` how
    many stored records of the source it lacks, of the types of resources that it contains.
    `GET /imports/{import_id}/missing` lists them, and `POST /imports/{import_id}/withdrawal`
    withdraws them.

    An import that reaches a limit ends with 422 and `state` `failed`, or with 503 and `state`
    `stopped` if only its time is used up. `Location` is the import. The batches before the limit
    stay. A tenant with too many running imports gets 429, and a busy server answers 503.
    """
    with _received(query) as (upload, limits):
        upload.check()
        if prefers_async():
            return _enqueue(upload, query)
        job = import_upload(upload, query, limits, started_by=current_identity().subject)
    refuse_failed(job)
    return job


@bp.post("/dry-run")
@requires(Permission.IMPORTS_WRITE)
@accepts_stream(MEDIA_TYPES)
@queries(UploadQuerySchema())
@returns(DryRunSchema())
def try_records(query: dict[str, Any]) -> Item:
    """Show what an import would do, and change nothing.

    Body and parameters are those of `POST /imports`. The import runs as it is, and is undone: its
    counts and errors are exactly those of an import of this file now. For a CSV file, `table` says
    how its columns are read. `state` is `failed` if the import would fail. It is `stopped` if the
    time of a dry run is used up: the counts are then those of the first lines.
    """
    with _received(query) as (upload, limits):
        if upload.plan is not None and upload.plan.problems:
            return unreadable_table(upload.plan, query["source"], strict=query["strict"])
        tried = try_import(
            [upload.source_file],
            source=query["source"],
            limits=limits,
            strict=query["strict"],
            is_complete=query["complete"],
            reader=upload.reader,
        )
    return {**tried.outcome, "groups": tried.groups, "table": describe_table(upload.plan)}


def _enqueue(upload: UploadedFile, query: dict[str, Any]) -> Response:
    open_transaction()
    charset = request.mimetype_params.get("charset")
    job = enqueue_import(upload, request.mimetype, charset, query)
    return deferred_response(job, url_for("jobs.show_job", job_id=job["id"]))


@contextmanager
def _received(query: dict[str, Any]) -> Iterator[tuple[UploadedFile, ImportLimits]]:
    """Receive an upload, and yield how it is read, and the limits of its import."""
    # An upload may take long. No transaction stays open while it arrives.
    check_tenant_open()
    settings = current_settings()
    with (
        answering_refusals(),
        slot_of_process(
            min(settings.imports_per_process, max(1, settings.threads // 2)),
            settings.imports_per_tenant,
        ),
        received_upload(request, MEDIA_TYPES, settings.max_import_bytes) as (file, digest),
    ):
        limits = ImportLimits.of_upload(settings)
        charset = request.mimetype_params.get("charset")
        yield open_upload(file, digest, request.mimetype, charset, query, limits), limits
