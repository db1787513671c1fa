"""Routes of patients."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import cast, func
from sqlalchemy.dialects.postgresql import JSONB
from uuid_utils.compat import uuid7

from trially.auth.permissions import Permission, requires
from trially.database.rows import (
    Item,
    columns_named,
    delete_item,
    find_item,
    insert_item,
    table_of,
    update_item,
)
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    queries,
    returns,
    returns_nothing,
    returns_page,
)
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.recruiting.listing import Filter, Listing, equals
from trially.recruiting.patients.model import MANUAL_SOURCE, Patient
from trially.recruiting.patients.schema import (
    PatientBodySchema,
    PatientQuerySchema,
    PatientSchema,
    PatientSearchSchema,
)

bp = Blueprint("patients", __name__, url_prefix="/patients")

NAMES = tuple(PatientSchema().fields)

columns = table_of(Patient).c


def _begins(name: str) -> Filter:
    """Match the beginning of a name, in any case."""
    return lambda beginning: func.starts_with(func.lower(columns[name]), func.lower(beginning))


PATIENTS = Listing(
    Patient,
    columns_named(Patient, NAMES),
    order={"id": "asc"},
    filters={
        **{
            name: equals(columns[name])
            for name in ("mrn", "birth_date", "sex", "site_id", "source")
        },
        **{name: _begins(name) for name in ("given_name", "family_name")},
    },
)


@bp.get("")
@requires(Permission.PATIENTS_READ)
@queries(PatientQuerySchema())
@returns_page(PatientSchema())
def list_patients(query: dict[str, Any]) -> Page:
    """List patients, oldest entry first."""
    return PATIENTS.page(query)


@bp.post("/search")
@requires(Permission.PATIENTS_READ)
@accepts(PatientSearchSchema())
@returns_page(PatientSchema())
def search_patients(body: dict[str, Any]) -> Page:
    """Find patients by what does not belong in a URL."""
    return PATIENTS.page(body)


@bp.post("")
@requires(Permission.PATIENTS_WRITE)
@accepts(PatientBodySchema())
@returns(PatientSchema(), HTTPStatus.CREATED)
def create_patient(body: dict[str, Any]) -> Item:
    """Add a patient."""
    patient_id = uuid7()
    origin = {"id": patient_id, "source": MANUAL_SOURCE, "source_id": str(patient_id)}
    return insert_item(Patient, {**body, **origin, "birth_date_precision": "day"}, NAMES)


@bp.get("/<uuid:patient_id>")
@requires(Permission.PATIENTS_READ)
@returns(PatientSchema())
def show_patient(patient_id: UUID) -> Item:
    """Show a patient."""
    return get_patient(patient_id)


@bp.patch("/<uuid:patient_id>")
@requires(Permission.PATIENTS_WRITE)
@accepts_merge_patch(PatientBodySchema(partial=True))
@returns(PatientSchema())
def change_patient(patient_id: UUID, body: dict[str, Any]) -> Item:
    """Change a patient."""
    changes: dict[str, Any] = {**body, "clinical_version": Patient.clinical_version + 1}
    if body.get("address") is not None:
        known = func.coalesce(Patient.address, cast({}, JSONB))
        changes["address"] = func.jsonb_strip_nulls(known.concat(cast(body["address"], JSONB)))
    if "birth_date" in body:
        changes["birth_date_precision"] = "day"
    return _found(update_item(Patient, patient_id, changes, NAMES))


@bp.delete("/<uuid:patient_id>")
@requires(Permission.PATIENTS_DELETE)
@returns_nothing
def delete_patient(patient_id: UUID) -> None:
    """Remove a patient and all records of them."""
    if not delete_item(Patient, patient_id):
        raise NotFound("There is no such patient.")


def get_patient(patient_id: UUID) -> Item:
    """Return a patient of the current tenant, or answer 404."""
    return _found(find_item(Patient, patient_id, NAMES))


def _found(patient: Item | None) -> Item:
    if patient is None:
        raise NotFound("There is no such patient.")
    return patient
