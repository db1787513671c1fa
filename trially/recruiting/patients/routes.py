"""Routes of patients."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import ColumnElement, Text, cast, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from uuid_utils.compat import uuid7

from trially.auth.permissions import Permission, requires
from trially.database.rows import (
    Item,
    columns_named,
    find_item,
    insert_item,
    table_of,
)
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    only_reads,
    queries,
    returns,
    returns_nothing,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.masking import masked_names, refuse_masked
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.recruiting.patients.model import MANUAL_SOURCE, Patient
from trially.recruiting.patients.schema import (
    PatientBodySchema,
    PatientCountSchema,
    PatientFilterSchema,
    PatientQuerySchema,
    PatientSchema,
    PatientSearchSchema,
)
from trially.resources.listing import Filter, Listing, equals
from trially.resources.optimistic_locking import change_seen, delete_seen
from trially.resources.scope import at_own_sites, check_own_site

bp = Blueprint("patients", __name__, url_prefix="/patients")

NAMES = tuple(PatientSchema().fields)
VERSIONED = (*NAMES, "version")
MASKED = masked_names(PatientSchema())

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
    site=columns.site_id,
    masked=MASKED,
)


@bp.get("")
@requires(Permission.PATIENTS_READ)
@queries(PatientQuerySchema())
@returns_page(PatientSchema())
def list_patients(query: dict[str, Any]) -> Page:
    """List patients, oldest entry first."""
    return PATIENTS.page(query)


@bp.get("/count")
@requires(Permission.PATIENTS_COUNT)
@queries(PatientFilterSchema())
@returns(PatientCountSchema())
def count_patients(query: dict[str, Any]) -> Item:
    """Say how many patients there are, and nothing about any of them."""
    return {"count": PATIENTS.count(query)}


@bp.post("/search")
@requires(Permission.PATIENTS_READ)
@only_reads
@accepts(PatientSearchSchema())
@returns_page(PatientSchema())
def search_patients(body: dict[str, Any]) -> Page:
    """Find patients by what does not belong in a URL."""
    return PATIENTS.page(body)


@bp.post("")
@requires(Permission.PATIENTS_WRITE)
@accepts(PatientBodySchema())
@returns_version(PatientSchema(), HTTPStatus.CREATED)
def create_patient(body: dict[str, Any]) -> Item:
    """Add a patient."""
    check_own_site(body.get("site_id"))
    patient_id = uuid7()
    origin = {"id": patient_id, "source": MANUAL_SOURCE, "source_id": str(patient_id)}
    return insert_item(Patient, {**body, **origin, "birth_date_precision": "day"}, VERSIONED)


@bp.get("/<uuid:patient_id>")
@requires(Permission.PATIENTS_READ)
@returns_version(PatientSchema())
def show_patient(patient_id: UUID) -> Item:
    """Show a patient."""
    return get_patient(patient_id)


@bp.patch("/<uuid:patient_id>")
@requires(Permission.PATIENTS_WRITE)
@matches_versions
@accepts_merge_patch(PatientBodySchema(partial=True))
@returns_version(PatientSchema())
def change_patient(patient_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change a patient, of whom only those may change identifiers who are shown them."""
    refuse_masked(MASKED & body.keys())
    if "site_id" in body:
        check_own_site(body["site_id"])
    changes: dict[str, Any] = {**body, "clinical_version": Patient.clinical_version + 1}
    if body.get("address") is not None:
        changes["address"] = _merged_address(body["address"])
    if "birth_date" in body:
        changes["birth_date_precision"] = "day"
    sites = at_own_sites(columns.site_id)
    return _found(change_seen(Patient, patient_id, versions, changes, VERSIONED, *sites))


@bp.delete("/<uuid:patient_id>")
@requires(Permission.PATIENTS_DELETE)
@matches_versions
@returns_nothing
def delete_patient(patient_id: UUID, versions: Versions | None) -> None:
    """Remove a patient and all records of them."""
    if not delete_seen(Patient, patient_id, versions, *at_own_sites(columns.site_id)):
        raise NotFound("There is no such patient.")


def get_patient(patient_id: UUID) -> Item:
    """Return a patient whom the caller may see, or answer 404."""
    return _found(find_item(Patient, patient_id, VERSIONED, *at_own_sites(columns.site_id)))


def _merged_address(patch: Mapping[str, str | None]) -> ColumnElement[Any]:
    """Take out of the known address what a patch removes, and lay over it what the patch says."""
    said = {name: value for name, value in patch.items() if value is not None}
    removed = [name for name in patch if name not in said]
    known = func.coalesce(Patient.address, cast({}, JSONB))
    kept = known.op("-", return_type=JSONB())(cast(removed, ARRAY(Text)))
    return kept.concat(cast(said, JSONB))


def _found(patient: Item | None) -> Item:
    if patient is None:
        raise NotFound("There is no such patient.")
    return patient
