"""Routes that erase a person, and that place and release legal holds."""

from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import accepts, queries, returns, returns_nothing, returns_page
from trially.http.fields import PageQuerySchema
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.recruiting.duplicates.finding import find_duplicates
from trially.recruiting.patients.erasing import erase
from trially.recruiting.patients.erasures import applying  # noqa: F401  it follows restores
from trially.recruiting.patients.erasures.holds import find_hold, lift_hold, place_hold
from trially.recruiting.patients.erasures.model import PersonErasure
from trially.recruiting.patients.erasures.reasons import ErasureReason
from trially.recruiting.patients.erasures.schema import (
    ErasureBodySchema,
    HoldBodySchema,
    HoldSchema,
    PersonErasureSchema,
)
from trially.recruiting.patients.routes import PATIENTS
from trially.recruiting.sources.locking import lock_sources_of
from trially.resources.resource import Resource
from trially.resources.scope import of_site

bp = Blueprint("erasures", __name__)

ERASURES = Resource(
    PersonErasure,
    PersonErasureSchema(),
    scope=of_site(table_of(PersonErasure).c.site_id),
    name="erasure",
    order={"id": "desc"},
)


@bp.post("/patients/<uuid:patient_id>/erasure")
@requires(Permission.PATIENTS_ERASE)
@accepts(ErasureBodySchema())
@returns(PersonErasureSchema())
def erase_patient(patient_id: UUID, body: dict[str, Any]) -> Item:
    """Erase a person, and certify it.

    Everything about the patient is deleted, and nothing brings it back: rows, documents, search
    terms, what waits for the patient, and stored answers. A tombstone stays, which says when and
    why, and digests that keep imports from bringing the person back. A restore of an older backup
    applies the erasure again. A patient under a legal hold is answered with 409 `legal_hold`.

    Records that were merged into this one are about the same person: erase them too with
    `replaced`, or the answer is 409 `record_replaces_others`.
    """
    patient = PATIENTS.get(patient_id)
    lock_sources_of(patient)
    item = erase(
        PATIENTS,
        patient_id,
        None,
        current_identity().subject,
        may_delete_replaced=body["replaced"],
        reason=ErasureReason(body["reason"]),
    )
    if patient["replaced_by_id"] is not None:
        find_duplicates([patient["replaced_by_id"]])
    return item


@bp.get("/erasures")
@requires(Permission.PATIENTS_ERASE)
@queries(PageQuerySchema())
@returns_page(PersonErasureSchema())
def list_erasures(query: dict[str, Any]) -> Page:
    """List the persons that were erased, newest first.

    Each is a tombstone with its certificate. Deleted patients are among them, with the reason
    `deleted`.
    """
    return ERASURES.page(query)


@bp.get("/erasures/<uuid:erasure_id>")
@requires(Permission.PATIENTS_ERASE)
@returns(PersonErasureSchema())
def show_erasure(erasure_id: UUID) -> Item:
    """Show the tombstone of an erased person.

    It has the certificate that the person can be given. A tombstone of a site that the caller may
    not see is answered like one that does not exist.
    """
    return ERASURES.get(erasure_id)


@bp.get("/patients/<uuid:patient_id>/legal-hold")
@requires(Permission.PATIENTS_ERASE)
@returns(HoldSchema())
def show_hold(patient_id: UUID) -> Item:
    """Show the legal hold of a patient.

    It says why and since when nobody may delete or erase the patient. The answer is 404 if there is
    no hold.
    """
    PATIENTS.get(patient_id)
    hold = find_hold(patient_id)
    if hold is None:
        raise NotFound("The patient is under no legal hold.")
    return hold


@bp.put("/patients/<uuid:patient_id>/legal-hold")
@requires(Permission.PATIENTS_ERASE)
@accepts(HoldBodySchema())
@returns(HoldSchema())
def hold_patient(patient_id: UUID, body: dict[str, Any]) -> Item:
    """Place a patient under a legal hold.

    While it lasts, nobody can delete or erase the patient. A hold that is there already stays as
    it is, and is the answer.
    """
    PATIENTS.get(patient_id)
    by = current_identity().subject
    return find_hold(patient_id) or place_hold(patient_id, body["reason"], by)


@bp.delete("/patients/<uuid:patient_id>/legal-hold")
@requires(Permission.PATIENTS_ERASE)
@returns_nothing
def release_hold(patient_id: UUID) -> None:
    """Release the legal hold of a patient.

    The patient can be deleted and erased again.
    """
    PATIENTS.get(patient_id)
    if not lift_hold(patient_id):
        raise NotFound("The patient is under no legal hold.")
