"""Routes of the audit log."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response

from trially.audit.actors import act_for
from trially.audit.forms import Action, Purpose
from trially.audit.recording import note_patients
from trially.auditing.audit_events import FHIR_TYPE, bundle_response
from trially.auditing.disclosures import describe, disclosures_of, write_report
from trially.auditing.entries import Reading, conditions_of, record
from trially.auditing.files import CSV_TYPE, NDJSON_TYPE, file_response, url_of, write_ndjson
from trially.auditing.log_files import write_csv
from trially.auditing.paging import cursor_after, page_of, position_in
from trially.auditing.report import HTML_TYPE, Report
from trially.auditing.schema import (
    AuditQuerySchema,
    AuditRecordSchema,
    DisclosureSchema,
    PeriodQuerySchema,
)
from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.auth.roles import PhiLevel
from trially.database.rows import Item
from trially.http.contract import (
    JSON_TYPE,
    also_returns,
    chosen_type,
    queries,
    returns,
    returns_page,
)
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.tenancy.context import current_tenant

bp = Blueprint("audit", __name__)

OTHER_TYPES = (CSV_TYPE, NDJSON_TYPE, FHIR_TYPE)
_WRITERS = {CSV_TYPE: write_csv, NDJSON_TYPE: write_ndjson}


@bp.get("/audit")
@requires(Permission.AUDIT_READ)
@queries(AuditQuerySchema())
@returns_page(AuditRecordSchema())
@also_returns(*OTHER_TYPES)
def list_audit_records(query: dict[str, Any]) -> Page | Response:
    """Read the audit log, newest first.

    Each record is one request, command or batch of a job that disclosed or changed something, or
    was refused. Patients are named by their ids. A patient who was erased is a pseudonym.
    The old and new values of changed columns are shown to members with `patients:read` and the PHI
    level `full`; others see the names of the columns.

    `Accept` chooses the format: JSON, a FHIR R4 Bundle of AuditEvents (`application/fhir+json`),
    and, for all matches instead of a page, `text/csv` or `application/x-ndjson`. Such a file has at
    most 50,000 records; then the header `Link` names the rest. Reading the log is recorded too.
    """
    media_type, before = chosen_type(*OTHER_TYPES), position_in(query)
    reading = Reading(conditions_of(query), shows_values=may_see_values())
    if media_type in _WRITERS:
        act_for(Purpose.COMPLIANCE, Action.EXPORT)
        return file_response(
            reading.stream(before),
            _WRITERS[media_type],
            media_type,
            next_page=lambda last: url_of(cursor=cursor_after(last, query)),
        )
    act_for(Purpose.COMPLIANCE)
    entries = reading.page(before, query["limit"])
    page = page_of(query, entries.items, has_more=entries.has_more)
    return _bundle(page) if media_type == FHIR_TYPE else page


@bp.get("/audit/<uuid:audit_record_id>")
@requires(Permission.AUDIT_READ)
@returns(AuditRecordSchema())
def show_audit_record(audit_record_id: UUID) -> Item:
    """Show one record of the audit log.

    The record has the same members as in the list.
    """
    act_for(Purpose.COMPLIANCE)
    reading = Reading([record.id == audit_record_id], shows_values=may_see_values())
    entries = reading.page(None, 1).items
    if not entries:
        raise NotFound("There is no such audit record.")
    return entries[0]


@bp.get("/patients/<uuid:patient_id>/disclosures")
@requires(Permission.AUDIT_READ)
@queries(PeriodQuerySchema())
@returns_page(DisclosureSchema())
@also_returns(CSV_TYPE, HTML_TYPE)
def list_disclosures(patient_id: UUID, query: dict[str, Any]) -> Page | Response:
    """List who saw and changed a patient's data, newest first.

    The list is in plain words, to be given to the patient: who, when, by which means, what was
    seen or changed, and why. It includes lists, exports, imports, jobs and support visits, and the
    records of the same person that the patient's replaces. It names no other patient.

    `Accept` chooses the format: JSON, or for the whole period `text/csv` or a page to print
    (`text/html`). The report needs no permission to read the patient. It is recorded too.
    """
    reading, before = disclosures_of(patient_id, query), position_in(query)
    media_type = chosen_type(CSV_TYPE, HTML_TYPE)
    act_for(Purpose.PATIENT_REQUEST)
    if media_type == JSON_TYPE:
        entries = reading.page(before, query["limit"])
        return page_of(query, [*map(describe, entries.items)], has_more=entries.has_more)
    note_patients([patient_id])
    report = Report(current_tenant().name, patient_id, query.get("since"), query.get("until"))
    return file_response(
        map(describe, reading.stream(before)),
        write_report if media_type == CSV_TYPE else report.write_html,
        media_type,
        next_page=lambda last: url_of(cursor=cursor_after(last, query)),
    )


def may_see_values() -> bool:
    """Return whether the caller may see the old and new values of patients' columns."""
    identity = current_identity()
    return identity.phi_level is PhiLevel.FULL and identity.may(Permission.PATIENTS_READ)


def _bundle(page: Page) -> Response:
    cursor = page["page"]["next"]
    return bundle_response(
        page["data"],
        self_url=url_of(),
        next_url=None if cursor is None else url_of(cursor=cursor),
    )
