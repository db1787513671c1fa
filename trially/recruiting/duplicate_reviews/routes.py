"""Routes of possible duplicates."""

from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts_merge_patch,
    matches_versions,
    queries,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.recruiting.duplicate_reviews.schema import (
    SHOWN_OF_PATIENT,
    DecisionSchema,
    DuplicatePairSchema,
    DuplicateQuerySchema,
    DuplicateSchema,
)
from trially.recruiting.duplicate_reviews.used import of_used_records
from trially.recruiting.duplicates.model import PossibleDuplicate
from trially.recruiting.patients.routes import PATIENTS
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import of_patients

bp = Blueprint("duplicates", __name__, url_prefix="/possible-duplicates")

columns = table_of(PossibleDuplicate).c

DUPLICATES = Resource(
    PossibleDuplicate,
    DuplicateSchema(),
    scope=of_patients(columns.patient_id, columns.other_patient_id),
    order={"score": "desc", "id": "desc"},
    filters={"state": equals(columns.state)},
)


@bp.get("")
@requires(Permission.PATIENTS_READ)
@queries(DuplicateQuerySchema())
@returns_page(DuplicatePairSchema())
def list_duplicates(query: dict[str, Any]) -> Page:
    """List pairs of patients that may be the same person, the likeliest first.

    Pairs are found when patients are created, changed or imported. `reasons` say what agrees and
    what contradicts. Patients are never merged automatically: `POST /patients/{id}/merge` merges
    two. Pairs with a record that is replaced or withdrawn are left out. A member who is restricted
    to sites sees a pair if both patients belong to them. With the PHI level `limited`, the patients
    are masked, and so are the reasons.
    """
    page = DUPLICATES.page(query, [of_used_records()])
    ids = {item[name] for item in page["data"] for name in ("patient_id", "other_patient_id")}
    patients = PATIENTS.pick(ids) if ids else {}
    for item in page["data"]:
        for name in ("patient", "other_patient"):
            patient = patients[item[f"{name}_id"]]
            item[name] = {field: patient[field] for field in SHOWN_OF_PATIENT}
    return page


@bp.get("/<uuid:possible_duplicate_id>")
@requires(Permission.PATIENTS_READ)
@returns_version(DuplicateSchema())
def show_duplicate(possible_duplicate_id: UUID) -> Item:
    """Show a pair of patients that may be the same person.

    The `ETag` is the pair's version. A pair with a patient of a site that the caller may not see is
    answered like one that does not exist.
    """
    return DUPLICATES.get(possible_duplicate_id)


@bp.patch("/<uuid:possible_duplicate_id>")
@requires(Permission.PATIENTS_WRITE)
@matches_versions
@accepts_merge_patch(DecisionSchema(partial=True))
@returns_version(DuplicateSchema())
def decide_duplicate(
    possible_duplicate_id: UUID, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Decide whether a pair of patients is worth a look.

    `dismissed` says that these are two persons: the pair leaves the list of open ones and is not
    proposed again. `open` takes that back. `If-Match` must name the version that the caller has
    seen.
    """
    return DUPLICATES.change(possible_duplicate_id, versions, body)
