"""Routes of a patient's records."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.database.rows import table_of
from trially.http.contract import queries, returns_page
from trially.http.masking import refuse_masked
from trially.http.pages import Page
from trially.recruiting.patients.routes import PATIENTS
from trially.recruiting.records.columns import (
    AT,
    AT_ON,
    DATED_BY,
    END_ON,
    HAS_FOCUS,
    ORDER,
    START_ON,
    STATUS,
    UNTIL,
    UNTIL_ON,
    VALUE,
    VALUE_DECIMAL,
    has_category,
    has_code,
    has_coding,
    has_focus,
    has_status,
    has_system,
    is_listed,
    is_since,
    is_until,
    join_coding,
)
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.records.schema import (
    EventQuerySchema,
    EventSchema,
    RecordQuerySchema,
    RecordSchema,
)
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import of_patient

bp = Blueprint("records", __name__, url_prefix="/patients/<uuid:patient_id>")

columns = table_of(ClinicalFact).c

_NEWEST_FIRST = {"order_of_time": "desc", "id": "asc"}
_HIDDEN = [ORDER.label("order_of_time")]
_DATES = [AT.label("at"), AT_ON.label("at_on"), DATED_BY.label("dated_by")]
_FILTERS = {
    **{
        name: equals(columns[name])
        for name in (
            *("patient_id", "entered_in_error", "type"),
            *("negated", "intent", "verification_status"),
        )
    },
    "code": has_code,
    "system": has_system,
    "coding": has_coding,
    "category": has_category,
    "status": has_status,
    "since": is_since,
    "until": is_until,
    "has_focus": has_focus,
    "withdrawn": is_listed,
}

RECORDS = Resource(
    ClinicalFact,
    RecordSchema(),
    name="record",
    scope=of_patient(columns.patient_id),
    computed=[
        *_DATES,
        START_ON.label("start_on"),
        END_ON.label("end_on"),
        VALUE_DECIMAL.label("value_decimal"),
        HAS_FOCUS.label("has_focus"),
    ],
    hidden=_HIDDEN,
    order=_NEWEST_FIRST,
    filters=_FILTERS,
)

TIMELINE = Resource(
    ClinicalFact,
    EventSchema(),
    name="event",
    scope=of_patient(columns.patient_id),
    computed=[
        *_DATES,
        columns.start_precision.label("precision"),
        UNTIL.label("until"),
        UNTIL_ON.label("until_on"),
        STATUS.label("status"),
        VALUE.label("value"),
        HAS_FOCUS.label("has_focus"),
    ],
    hidden=_HIDDEN,
    order=_NEWEST_FIRST,
    filters=_FILTERS,
)


@bp.get("/records")
@requires(Permission.PATIENTS_READ)
@queries(RecordQuerySchema())
@returns_page(RecordSchema())
def list_records(patient_id: UUID, query: dict[str, Any]) -> Page:
    """List a patient's records, of one type or all, newest first.

    Records are conditions, observations, medications and other facts. Records without a date come
    last. Records that are withdrawn, because their source deleted them or no longer says them, are
    left out unless `withdrawn` is `true` or `all`. Those that their source marks as entered in
    error are left out unless `entered_in_error` is `true`. `code` and `system` find each of a
    record's codings; together they must be one coding. Text and codes that may identify the
    patient are masked with the PHI level `limited`.
    """
    PATIENTS.get(patient_id)
    return RECORDS.page(_narrow(RECORDS, query), patient_id=patient_id)


@bp.get("/timeline")
@requires(Permission.PATIENTS_READ)
@queries(EventQuerySchema())
@returns_page(EventSchema())
def show_timeline(patient_id: UUID, query: dict[str, Any]) -> Page:
    """List all events in a patient's history, newest first.

    An event shows a record in short: when it happened, what it is, how certain it is, and its
    value with the unit. Events without a date come last. Records entered in error are left out, and
    so are withdrawn ones unless `withdrawn` is `true` or `all`. `code` and `system` find each of a
    record's codings; together they must be one coding.
    """
    PATIENTS.get(patient_id)
    narrowed = _narrow(TIMELINE, query)
    return TIMELINE.page(narrowed, patient_id=patient_id, entered_in_error=False)


def _narrow(resource: Resource, query: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a query in which code and system are one coding, if it has both.

    Answers 403 if a filter is about a field that is masked for the caller.
    """
    if "system" in query and "code_system" in resource.masked:
        refuse_masked({"system"})
    if not {"code", "system"} <= query.keys():
        return query
    refuse_masked(resource.masked & {"code"})
    others = {name: value for name, value in query.items() if name not in {"code", "system"}}
    return {**others, "coding": join_coding(query["system"], query["code"])}
