"""Routes of the audit log."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, Response

from trially.audit.actors import act_for
from trially.audit.forms import Action, Purpose
from trially.auditing.audit_events import FHIR_TYPE, bundle_response
from trially.auditing.entries import conditions_of, read_entries, record, stream_entries
from trially.auditing.files import CSV_TYPE, NDJSON_TYPE, file_response, url_of, write_ndjson
from trially.auditing.log_files import write_csv
from trially.auditing.paging import cursor_after, page_of, position_in
from trially.auditing.schema import AuditQuerySchema, AuditRecordSchema
from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, PhiLevel, requires
from trially.database.rows import Item
from trially.http.contract import also_returns, chosen_type, queries, returns, returns_page
from trially.http.pages import Page
from trially.http.problems import NotFound

bp = Blueprint("audit", __name__, url_prefix="/audit")

OTHER_TYPES = (CSV_TYPE, NDJSON_TYPE, FHIR_TYPE)
_WRITERS = {CSV_TYPE: write_csv, NDJSON_TYPE: write_ndjson}


@bp.get("")
@requires(Permission.AUDIT_READ)
@queries(AuditQuerySchema())
@returns_page(AuditRecordSchema())
@also_returns(*OTHER_TYPES)
def list_audit_records(query: dict[str, Any]) -> Page | Response:
    """Read the audit log, newest first.

    Each record is one request, command or batch of a job that disclosed or changed something, or
    was refused. Patients are named by their ids. A patient who was erased is only a number.
    The old and new values of changed columns are shown to members with `patients:read` and the PHI
    level `full`; others see the names of the columns.

    `Accept` chooses the format: JSON, a FHIR R4 Bundle of AuditEvents (`application/fhir+json`),
    and, for all matches instead of a page, `text/csv` or `application/x-ndjson`. Such a file has at
    most 50,000 records; then the header `Link` names the rest. Reading the log is recorded too.
    """
    media_type, conditions = chosen_type(*OTHER_TYPES), conditions_of(query)
    before = position_in(query)
    if media_type in _WRITERS:
        act_for(Purpose.COMPLIANCE, Action.EXPORT)
        entries = stream_entries(conditions, before=before, shows_values=may_see_values())
        return file_response(
            entries,
            _WRITERS[media_type],
            media_type,
            next_page=lambda last: url_of(cursor=cursor_after(last, query)),
        )
    act_for(Purpose.COMPLIANCE)
    page = page_of(query, _read(conditions, before, query["limit"] + 1))
    return _bundle(page) if media_type == FHIR_TYPE else page


@bp.get("/<uuid:audit_record_id>")
@requires(Permission.AUDIT_READ)
@returns(AuditRecordSchema())
def show_audit_record(audit_record_id: UUID) -> Item:
    """Show one record of the audit log.

    The record has the same members as in the list.
    """
    act_for(Purpose.COMPLIANCE)
    for entry in _read([record.id == audit_record_id], None, 1):
        return entry
    raise NotFound("There is no such audit record.")


def may_see_values() -> bool:
    """Return whether the caller may see the old and new values of patients' columns."""
    identity = current_identity()
    return identity.phi_level is PhiLevel.FULL and identity.may(Permission.PATIENTS_READ)


def _read(conditions: Sequence[Any], before: UUID | None, limit: int) -> list[Item]:
    return read_entries(conditions, before=before, limit=limit, shows_values=may_see_values())


def _bundle(page: Page) -> Response:
    cursor = page["page"]["next"]
    return bundle_response(
        page["data"],
        self_url=url_of(),
        next_url=None if cursor is None else url_of(cursor=cursor),
    )
