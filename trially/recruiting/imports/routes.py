"""Routes of imports."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, request

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.config import current_settings
from trially.database.deadline import start_deadline
from trially.database.rows import Item, table_of
from trially.database.session import check_tenant_open, transaction
from trially.http.contract import (
    accepts_stream,
    matches_versions,
    queries,
    returns,
    returns_nothing,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.recruiting.imports.deleting import delete_import as delete_with_faults
from trially.recruiting.imports.dry_run import try_import
from trially.recruiting.imports.fault_groups import group_faults
from trially.recruiting.imports.fault_schema import (
    FaultGroupsSchema,
    FaultQuerySchema,
    FaultSchema,
)
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.missing_records import withdraw_missing
from trially.recruiting.imports.model import (
    SORTS,
    ImportFault,
    ImportJob,
    MissingRecord,
    WaitingFact,
)
from trially.recruiting.imports.refusals import answering_refusals, refuse_failed
from trially.recruiting.imports.running import run_import
from trially.recruiting.imports.schema import (
    DryRunSchema,
    ImportQuerySchema,
    ImportSchema,
    MissingQuerySchema,
    MissingRecordSchema,
    UploadQuerySchema,
    WaitingFactSchema,
    WaitingQuerySchema,
)
from trially.recruiting.imports.slots import slot_of_process
from trially.recruiting.imports.upload_formats import (
    UploadedFile,
    describe_table,
    open_upload,
    unreadable_table,
)
from trially.recruiting.imports.uploads import MEDIA_TYPES, received_upload
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("imports", __name__, url_prefix="/imports")

IMPORTS = Resource(
    ImportJob,
    ImportSchema(),
    name="import",
    scope=WHOLE_TENANT,
    order={"id": "desc"},
    sorts=SORTS,
    filters={"state": equals(table_of(ImportJob).c.state)},
)
FAULTS = Resource(
    ImportFault,
    FaultSchema(),
    scope=WHOLE_TENANT,
    order={"concerns": "asc", "id": "asc"},
    filters={
        "import_id": equals(table_of(ImportFault).c.import_id),
        "code": equals(table_of(ImportFault).c.code),
        "type": equals(table_of(ImportFault).c.resource_type),
        "concerns": equals(table_of(ImportFault).c.concerns),
    },
)
WAITING = Resource(
    WaitingFact,
    WaitingFactSchema(),
    scope=WHOLE_TENANT,
    filters={"source": equals(table_of(WaitingFact).c.source)},
)
MISSING = Resource(
    MissingRecord,
    MissingRecordSchema(),
    scope=WHOLE_TENANT,
    filters={
        "import_id": equals(table_of(MissingRecord).c.import_id),
        "type": equals(table_of(MissingRecord).c.source_type),
    },
)


@bp.post("")
@requires(Permission.IMPORTS_WRITE)
@accepts_stream(MEDIA_TYPES)
@queries(UploadQuerySchema())
@returns(ImportSchema(), HTTPStatus.CREATED)
def import_records(query: dict[str, Any]) -> Item:
    """Import a FHIR R4 Bundle, an NDJSON file, a CSV file or HL7 v2 messages, also with gzip.

    The response is sent when the import ends: 201 with the import. Bad lines are skipped and
    counted. With `strict`, the first error ends the import with 422, and the batches before it
    stay. If nothing can be imported, the answer is 422 too. `Location` is then the failed import,
    whose errors say why. If the same body is sent again, an interrupted import
    continues, and a finished one changes nothing. If the first request is still running, that
    request ends with 409.

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
        job = run_import(
            [upload.source_file],
            source=query["source"],
            fingerprint=upload.fingerprint,
            limits=limits,
            strict=query["strict"],
            is_complete=query["complete"],
            started_by=current_identity().subject,
            reader=upload.reader,
        )
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


@bp.get("")
@requires(Permission.IMPORTS_READ)
@queries(ImportQuerySchema())
@returns_page(ImportSchema())
def list_imports(query: dict[str, Any]) -> Page:
    """List imports, newest first.

    The list shows what each import read, and whether it ended. An interrupted import stays
    `running`. `sort` changes the order.
    """
    return IMPORTS.page(query)


@bp.get("/<uuid:import_id>")
@requires(Permission.IMPORTS_READ)
@returns_version(ImportSchema())
def show_import(import_id: UUID) -> Item:
    """Show an import.

    Poll a running import by its `ETag` with `If-None-Match`: the answer is 304 until something
    changes.
    """
    return IMPORTS.get(import_id)


@bp.get("/<uuid:import_id>/errors")
@requires(Permission.IMPORTS_READ)
@queries(FaultQuerySchema())
@returns_page(FaultSchema())
def list_import_errors(import_id: UUID, query: dict[str, Any]) -> Page:
    """List what an import did not import, and why.

    Errors that concern the whole input come first, then those of records, then those of values.
    Each names the line in NDJSON or the entry in a Bundle, from 1, and the resource, and never
    quotes it. Of an import with very many errors, only the first ones and some of each kind are
    listed.
    """
    IMPORTS.get(import_id)
    return FAULTS.page(query, import_id=import_id)


@bp.get("/<uuid:import_id>/errors/groups")
@requires(Permission.IMPORTS_READ)
@returns(FaultGroupsSchema())
def group_import_errors(import_id: UUID) -> Item:
    """Group the errors of an import by code and type of resource.

    The largest group comes first. Each has its number of errors and its first ones as examples.
    `GET /imports/{import_id}/errors` lists all stored errors of a group by `code` and `type`.
    """
    return {"groups": group_faults(IMPORTS.get(import_id))}


@bp.get("/waiting")
@requires(Permission.IMPORTS_READ)
@queries(WaitingQuerySchema())
@returns_page(WaitingFactSchema())
def list_waiting_records(query: dict[str, Any]) -> Page:
    """List the records that wait for a patient, oldest first.

    An import of the same source that brings the patient writes them. Deleting the import that read
    them last deletes them too.
    """
    return WAITING.page(query)


@bp.get("/<uuid:import_id>/missing")
@requires(Permission.IMPORTS_READ)
@queries(MissingQuerySchema())
@returns_page(MissingRecordSchema())
def list_missing_records(import_id: UUID, query: dict[str, Any]) -> Page:
    """List the records that a full export lacks.

    They are of the types of resources that the export contains. The list is empty for an import
    that was not sent with `complete`.
    """
    IMPORTS.get(import_id)
    return MISSING.page(query, import_id=import_id)


@bp.post("/<uuid:import_id>/withdrawal")
@requires(Permission.IMPORTS_WRITE)
@returns_version(ImportSchema())
def withdraw_missing_records(import_id: UUID) -> Item:
    """Withdraw the records that a full export lacks.

    Withdrawn records stay, with `withdrawn_reason` `missing_from_export`, and are left out of
    lists. They come back with an import that has them. The answer is the import. It is 409 if the
    import was not sent with `complete`, failed or could not read a part of its input, or if another
    import of the source has run since it began. Send an interrupted request again to continue.
    """
    IMPORTS.get(import_id)
    with answering_refusals():
        withdraw_missing(import_id, _transaction_in_time)
    return IMPORTS.get(import_id)


@bp.delete("/<uuid:import_id>")
@requires(Permission.IMPORTS_DELETE)
@matches_versions
@returns_nothing
def delete_import(import_id: UUID, versions: Versions | None) -> None:
    """Delete an import with its errors and its waiting records. The imported records stay.

    A running import is answered with 409. An import with very many errors is deleted in several
    transactions. If that is interrupted, its `state` stays `deleting`: delete it again.
    """
    IMPORTS.get(import_id)
    with answering_refusals():
        delete_with_faults(import_id, versions, _transaction_in_time)


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
        received_upload(request, settings.max_import_bytes) as (file, digest),
    ):
        limits = ImportLimits.of_upload(settings)
        charset = request.mimetype_params.get("charset")
        yield open_upload(file, digest, request.mimetype, charset, query, limits), limits


@contextmanager
def _transaction_in_time() -> Iterator[None]:
    """Open a transaction that may take as long as a request may."""
    start_deadline(current_settings().request_timeout_ms)
    with transaction():
        yield
