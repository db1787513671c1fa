"""Routes of patients."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import BindParameter, ColumnElement, any_, or_
from uuid_utils.compat import uuid7

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.database.sealed_types import FormsOfDate
from trially.geolocation import MOST_DEGREES
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    queries,
    returns,
    returns_nothing,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.masking import refuse_masked
from trially.http.pages import Page
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.filtering import queried_values
from trially.recruiting.custom_fields.writing import check_new, check_patch
from trially.recruiting.duplicates.finding import find_duplicates
from trially.recruiting.duplicates.new_patients import index_new_patient
from trially.recruiting.patients.choices import DeathPrecision, ListedStatus
from trially.recruiting.patients.corrections import corrections_after
from trially.recruiting.patients.erasing import erase
from trially.recruiting.patients.lifetimes import redate_records
from trially.recruiting.patients.model import BIRTH_DATES, SORTS, Patient
from trially.recruiting.patients.schema import (
    PatientBodySchema,
    PatientCountSchema,
    PatientDeletionSchema,
    PatientFilterSchema,
    PatientQuerySchema,
    PatientSchema,
)
from trially.recruiting.patients.settling import settle_before_change, settle_found_by
from trially.recruiting.patients.taken_mrns import IS_TAKEN, refuse_taken_mrn
from trially.recruiting.search.custom_values import of_records_with
from trially.recruiting.search.indexing import INDEXED, index_patients, write_own_name
from trially.recruiting.sources.locking import lock_sources_of
from trially.recruiting.sources.model import MANUAL_SOURCE
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import of_site
from trially.resources.sorting import never_null

bp = Blueprint("patients", __name__, url_prefix="/patients")

columns = table_of(Patient).c


def has_status(status: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records with a status; `all` has none."""
    return or_(status == ListedStatus.ALL.value, columns.record_status == status)


def was_born_on(date: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of patients with a birth date, in whatever form it is stored."""
    forms: BindParameter[Any] = BindParameter(
        date.key,
        date.value,
        type_=FormsOfDate(BIRTH_DATES),
        unique=date.unique,
        required=date.required,
    )
    return never_null(columns.birth_date) == any_(forms)


PATIENTS = Resource(
    Patient,
    PatientSchema(),
    scope=of_site(columns.site_id),
    sorts=SORTS,
    filters={
        "birth_date": was_born_on,
        "sex": equals(columns.sex),
        "site_id": equals(columns.site_id),
        "source": equals(columns.source),
        "record_status": has_status,
    },
)

_LIFETIME = frozenset({"birth_date", "deceased_at"})
"""Fields that the dates of records are compared with."""


@bp.get("")
@requires(Permission.PATIENTS_READ)
@queries(PatientQuerySchema())
@returns_page(PatientSchema())
def list_patients(query: dict[str, Any]) -> Page:
    """List patients, oldest entry first.

    The list holds the patients of the sites that the caller may see. `sort` changes the order.
    With the PHI level `limited`, identifiers are masked, and the list cannot be sorted by them.
    To find a patient by name, birth date or MRN, use the search. `custom.NAME=VALUE` finds patients
    with a value of a custom field, unless the field is masked for the caller.
    """
    return PATIENTS.page(query, _with_custom_values(query))


@bp.get("/count")
@requires(Permission.PATIENTS_COUNT)
@queries(PatientFilterSchema())
@returns(PatientCountSchema())
def count_patients(query: dict[str, Any]) -> Item:
    """Count patients.

    The count includes the patients of the sites that the caller may see. It needs no PHI level,
    so dashboards may show it to every member.
    """
    return {"count": PATIENTS.count(query, _with_custom_values(query))}


@bp.post("")
@requires(Permission.PATIENTS_WRITE)
@accepts(PatientBodySchema())
@returns_version(PatientSchema(), HTTPStatus.CREATED)
def create_patient(body: dict[str, Any]) -> Item:
    """Create a patient.

    The patient's `source` is `manual`. If a current patient of any source has the MRN, the answer
    is 409, and `patient_id` names that patient if the caller may see the patient and MRNs. A member
    who is restricted to sites must name one of them as `site_id`. Send an `Idempotency-Key` to
    repeat the request safely.
    """
    check_new(CustomResource.PATIENT, body)
    patient_id = uuid7()
    values = {
        **body,
        "id": patient_id,
        "source": MANUAL_SOURCE,
        "source_id": str(patient_id),
        "birth_date_precision": "day",
        **_death_of(body),
    }
    settle_found_by([body["mrn"]])
    patient = PATIENTS.create_unless(IS_TAKEN, values)
    if patient is None:
        refuse_taken_mrn(body["mrn"])
        # The other patient has just been deleted.
        patient = PATIENTS.create(values)
    index_new_patient(patient)
    return patient


@bp.get("/<uuid:patient_id>")
@requires(Permission.PATIENTS_READ)
@returns_version(PatientSchema())
def show_patient(patient_id: UUID) -> Item:
    """Show a patient.

    The `ETag` is the patient's version, and `etag` repeats it in the body. A patient of a site
    that the caller may not see is answered like one that does not exist.
    """
    return PATIENTS.get(patient_id)


@bp.patch("/<uuid:patient_id>")
@requires(Permission.PATIENTS_WRITE)
@matches_versions
@accepts_merge_patch(PatientBodySchema(partial=True))
@returns_version(PatientSchema())
def change_patient(patient_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change a patient.

    The body is a merge patch (RFC 7396): members that it lacks stay, and null removes a value.
    `If-Match` must name the version that the caller has seen, or the answer is 412. Fields that are
    masked for the caller cannot be changed. If another patient has the MRN, the answer is 409, as
    for a new patient. Another address without latitude and longitude removes those of the former.
    """
    check_patch(CustomResource.PATIENT, body)
    if "mrn" in body:
        refuse_masked(PATIENTS.masked & body.keys())
        PATIENTS.get(patient_id)
        refuse_taken_mrn(body["mrn"], wanted_for=patient_id)
    settle_before_change(patient_id)
    changes = PATIENTS.merged(patient_id, _with_new_place(body))
    derived = _death_of(body)
    if "birth_date" in body:
        derived["birth_date_precision"] = "day"
    corrections = corrections_after({**changes, **derived}, current_identity().subject)
    derived |= {"clinical_version": Patient.clinical_version + 1, "corrections": corrections}
    return follow_change(PATIENTS.change(patient_id, versions, changes, derived), body.keys())


@bp.delete("/<uuid:patient_id>")
@requires(Permission.PATIENTS_DELETE)
@matches_versions
@queries(PatientDeletionSchema())
@returns_nothing
def delete_patient(patient_id: UUID, versions: Versions | None, query: dict[str, Any]) -> None:
    """Delete a patient and all records about the patient.

    The patient and the records cannot be restored from the API. `If-Match` must name the
    version that the caller has seen. Imports do not bring an imported patient back: digests of
    the record's key and identifiers stay.

    Records of the same person may have been merged into this one. Then the answer is 409
    `record_replaces_others`, and `replaced_ids` lists those that the caller may see. Delete all of
    them with `replaced=true`, or undo the merges first. A caller who may not see one of them
    cannot delete the patient.
    """
    patient = PATIENTS.get(patient_id)
    lock_sources_of(patient)
    erase(
        PATIENTS,
        patient_id,
        versions,
        current_identity().subject,
        may_delete_replaced=query["replaced"],
    )
    if patient["replaced_by_id"] is not None:
        find_duplicates([patient["replaced_by_id"]])


def _with_custom_values(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions of the custom filters of a query."""
    return of_records_with(columns.id, queried_values(CustomResource.PATIENT, query))


def follow_change(patient: Item, fields: AbstractSet[str]) -> Item:
    """Bring search terms, duplicates and records in line with changed fields of a patient."""
    if fields & INDEXED:
        index_patient(patient)
    if not fields & _LIFETIME:
        return patient
    redate_records([patient["id"]])
    return PATIENTS.get(patient["id"])


def _with_new_place(body: dict[str, Any]) -> dict[str, Any]:
    """Return a patch that leaves no latitude and longitude of an address that it changes."""
    address = body.get("address")
    if not address or "latitude" in address:
        return body
    return {**body, "address": {**address, **dict.fromkeys(MOST_DEGREES)}}


def _death_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the local day and precision that belong to `deceased_at`, if the body has it."""
    if "deceased_at" not in body:
        return {}
    at = body["deceased_at"]
    return {
        "deceased_on": at and at.date(),
        "deceased_precision": at and DeathPrecision.INSTANT.value,
        "deceased_zone": None,
    }


def index_patient(patient: Item) -> None:
    """Write names, search terms and possible duplicates of a patient that a user has written."""
    if patient["source"] == MANUAL_SOURCE:
        write_own_name(patient["id"], patient["given_name"], patient["family_name"])
    index_patients([patient["id"]])
    find_duplicates([patient["id"]])
