"""Routes of a patient's records."""

from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import Select, Text, case, cast, func, literal, select

from trially.auth.permissions import Permission, requires
from trially.database.rows import columns_named, is_ours
from trially.http.contract import queries, returns_page
from trially.http.fields import PageQuerySchema
from trially.http.pages import Page
from trially.recruiting.listing import list_page
from trially.recruiting.patients.routes import get_patient
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.records.schema import EventSchema, RecordQuerySchema, RecordSchema

bp = Blueprint("records", __name__, url_prefix="/patients/<uuid:patient_id>")

NAMES = tuple(RecordSchema().fields)

_FIRST_KNOWN = func.coalesce(
    ClinicalFact.start_at, ClinicalFact.recorded_at, ClinicalFact.created_at
)
"""When something happened, or, where its source does not say, when it was written down."""

_STATED_VALUE = func.coalesce(ClinicalFact.value_text, ClinicalFact.value_code)


@bp.get("/records")
@requires(Permission.PATIENTS_READ)
@queries(RecordQuerySchema())
@returns_page(RecordSchema())
def list_records(patient_id: UUID, query: dict[str, Any]) -> Page:
    """List a patient's records, of one type or all, newest first."""
    get_patient(patient_id)
    at = _FIRST_KNOWN.label("_at")
    statement = select(*columns_named(ClinicalFact, NAMES), at).where(
        _is_of(patient_id), ClinicalFact.entered_in_error == query["entered_in_error"]
    )
    for name in ("type", "code"):
        if name in query:
            statement = statement.where(ClinicalFact.__table__.c[name] == query[name])
    page = _newest_first(statement, "_at", query)
    for record in page["data"]:
        del record["_at"]
    return page


@bp.get("/timeline")
@requires(Permission.PATIENTS_READ)
@queries(PageQuerySchema())
@returns_page(EventSchema())
def show_timeline(patient_id: UUID, query: dict[str, Any]) -> Page:
    """Show what happened to a patient, whatever its type, newest first."""
    get_patient(patient_id)
    fact = ClinicalFact
    number = cast(func.trim_scale(fact.value_number), Text)
    measured = func.concat(fact.comparator, number, literal(" ").concat(fact.unit))
    value = case((fact.value_number.is_not(None), measured), else_=_STATED_VALUE)
    statement = select(
        fact.id,
        _FIRST_KNOWN.label("at"),
        fact.start_precision.label("precision"),
        fact.end_at.label("until"),
        fact.type,
        fact.code,
        fact.display,
        func.coalesce(fact.clinical_status, fact.status).label("status"),
        value.label("value"),
    ).where(_is_of(patient_id), fact.entered_in_error.is_(False))
    return _newest_first(statement, "at", query)


def _is_of(patient_id: UUID) -> Any:
    return is_ours(ClinicalFact) & (ClinicalFact.patient_id == patient_id)


def _newest_first(statement: Select[Any], name: str, query: dict[str, Any]) -> Page:
    return list_page(
        statement, [(name, _FIRST_KNOWN, "desc"), ("id", ClinicalFact.id, "asc")], query
    )
