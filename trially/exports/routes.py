"""Routes of exports."""

import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO, Any
from uuid import UUID

from flask import Blueprint, Response

from trially.audit.actors import act_for
from trially.audit.forms import Action, Purpose
from trially.auditing.files import spool
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.exports.contents import Part
from trially.exports.jobs import (
    EXPORT,
    ExportRunningError,
    archive_of,
    describe_export,
    enqueue_export,
    is_stored,
)
from trially.exports.person import records_of, write_person
from trially.exports.schema import ExportBodySchema, ExportSchema, PersonExportSchema
from trially.exports.targets import ZipTarget
from trially.http.codes import Code
from trially.http.contract import accepts, also_returns, chosen_type, feature, may_conflict, returns
from trially.http.problems import Conflict, NotFound
from trially.jobs.kinds import JobError
from trially.jobs.model import Job
from trially.jobs.schema import JobSchema
from trially.recruiting.patients.routes import PATIENTS
from trially.request_state import request_state
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.tenancy.entitlements.features import Feature

bp = Blueprint("exports", __name__)

ZIP_TYPE = "application/zip"
BLOCK_BYTES = 1 << 16
JOBS = Resource(Job, JobSchema(), scope=WHOLE_TENANT)


@bp.post("/exports")
@requires(Permission.EXPORTS_WRITE)
@feature(Feature.EXPORTS)
@accepts(ExportBodySchema())
@may_conflict
@returns(ExportSchema(), HTTPStatus.CREATED)
def create_export(body: dict[str, Any]) -> Item:
    """Export all that the tenant stores.

    A worker writes a ZIP archive: FHIR R4 NDJSON, CSV with a dictionary, the audit log with its
    seals, and the texts of documents. Poll the export until its `state` is `done`. While one export
    waits or runs, the answer is 409. Needs the PHI level `full` and access to all sites. It is
    recorded.
    """
    try:
        job = enqueue_export([Part(each) for each in body["parts"]])
    except ExportRunningError as error:
        raise Conflict(str(error), code=Code.EXPORT_RUNNING) from error
    return describe_export(job)


@bp.get("/exports/<uuid:export_id>")
@requires(Permission.EXPORTS_WRITE)
@returns(ExportSchema())
@also_returns(ZIP_TYPE)
def show_export(export_id: UUID) -> Item | Response:
    """Show an export, or download its archive.

    With `Accept: application/zip`, the answer is the archive. It is stored encrypted, and deleted
    at `expires_at`: then the answer is 404. Each download is recorded in the audit log.
    """
    job = JOBS.get(export_id)
    if job["kind"] != EXPORT.name:
        raise JOBS.not_found()
    if chosen_type(ZIP_TYPE) != ZIP_TYPE:
        return describe_export(job)
    if not is_stored(job):
        raise NotFound("The archive is not written yet, or was deleted.")
    act_for(Purpose.OPERATION, Action.EXPORT)
    request_state().audit.discloses = True
    try:
        file = spool(lambda target: target.writelines(archive_of(export_id)))
    except JobError as error:
        raise NotFound("The archive cannot be decrypted any more. Export again.") from error
    return _archive(file)


@bp.get("/patients/<uuid:patient_id>/export")
@requires(Permission.PATIENTS_EXPORT)
@may_conflict
@returns(PersonExportSchema())
@also_returns(ZIP_TYPE)
def export_person(patient_id: UUID) -> Item | Response:
    """Export what is stored about one person, for the person.

    With `Accept: application/zip`, the answer is an archive: the record, its facts and documents,
    as FHIR R4 and as they are stored, records of imports that name the person, and who saw them.
    In JSON, it is the list of the archive's files. Records that the patient's replaces are about
    the same person, and included. If the caller may not see all of them, the answer is 409. Needs
    the PHI level `full`. It is recorded as an answer to a request by the patient.
    """
    PATIENTS.get(patient_id)
    records = records_of(patient_id)
    if len(PATIENTS.visible(records)) < len(records):
        raise Conflict(
            "Records that you may not see are about the same person. Somebody who sees all sites"
            " can export them.",
            code=Code.RECORD_REPLACES_OTHERS,
        )
    act_for(Purpose.PATIENT_REQUEST, Action.EXPORT)
    manifest: Item = {}

    def write(content: IO[bytes]) -> None:
        target = ZipTarget(content)
        manifest.update(write_person(target, patient_id))
        target.close()

    file = spool(write)
    if chosen_type(ZIP_TYPE) == ZIP_TYPE:
        request_state().audit.patients.update(records)
        request_state().audit.discloses = True
        return _archive(file)
    file.close()
    return {name: manifest[name] for name in PersonExportSchema().fields}


def _archive(file: IO[bytes]) -> Response:
    """Return the answer that sends an archive, after the record was written."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    response = Response(_blocks(file), mimetype=ZIP_TYPE, direct_passthrough=True)
    response.headers["Content-Disposition"] = "attachment"
    response.content_length = length
    response.call_on_close(file.close)
    return response


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block
