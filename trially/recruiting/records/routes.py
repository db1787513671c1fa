"""Routes of a patient's records."""

from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import Text, case, cast, func, literal

from trially.auth.permissions import Permission, requires
from trially.database.rows import table_of
from trially.http.contract import queries, returns_page
from trially.http.fields import PageQuerySchema
from trially.http.pages import Page
from trially.recruiting.patients.routes import PATIENTS
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.records.schema import EventSchema, RecordQuerySchema, RecordSchema
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import of_patient

bp = Blueprint("records", __name__, url_prefix="/patients/<uuid:patient_id>")

columns = table_of(ClinicalFact).c

_FIRST_KNOWN = func.coalesce(columns.start_at, columns.recorded_at, columns.created_at)
"""When the event happened, or, if its source does not know, when it was recorded."""

_MEASURED = func.concat(
    columns.comparator,
    cast(func.trim_scale(columns.value_number), Text),
    literal(" ").concat(columns.unit),
)
_STATED = func.coalesce(columns.value_text, columns.value_code)

RECORDS = Resource(
    ClinicalFact,
    RecordSchema(),
    name="record",
    scope=of_patient(columns.patient_id),
    computed=[_FIRST_KNOWN.label("at")],
    order={"at": "desc", "id": "asc"},
    filters={
        name: equals(columns[name]) for name in ("patient_id", "entered_in_error", "type", "code")
    },
)

TIMELINE = Resource(
    ClinicalFact,
    EventSchema(),
    name="event",
    scope=of_patient(columns.patient_id),
    computed=[
        _FIRST_KNOWN.label("at"),
        columns.start_precision.label("precision"),
        columns.end_at.label("until"),
        func.coalesce(columns.clinical_status, columns.status).label("status"),
        case((columns.value_number.is_not(None), _MEASURED), else_=_STATED).label("value"),
    ],
    order={"at": "desc", "id": "asc"},
    filters={name: equals(columns[name]) for name in ("patient_id", "entered_in_error")},
)


@bp.get("/records")
@requires(Permission.PATIENTS_READ)
@queries(RecordQuerySchema())
@returns_page(RecordSchema())
def list_records(patient_id: UUID, query: dict[str, Any]) -> Page:
    """List a patient's records, of one type or all, newest first.

    Records are conditions, observations, medications and other facts. Records that their source
    marks as entered in error are left out unless `entered_in_error` is `true`. Text and codes
    that may identify the patient are masked with the PHI level `limited`.
    """
    PATIENTS.get(patient_id)
    return RECORDS.page(query, patient_id=patient_id)


@bp.get("/timeline")
@requires(Permission.PATIENTS_READ)
@queries(PageQuerySchema())
@returns_page(EventSchema())
def show_timeline(patient_id: UUID, query: dict[str, Any]) -> Page:
    """List all events in a patient's history, newest first.

    An event shows a record in short: when it happened, what it is, and its value with the unit.
    Records entered in error are left out.
    """
    PATIENTS.get(patient_id)
    return TIMELINE.page(query, patient_id=patient_id, entered_in_error=False)
