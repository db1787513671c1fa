"""Routes of studies."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import Text, type_coerce

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    may_conflict,
    queries,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.http.problems import Conflict
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.filtering import has_values
from trially.recruiting.custom_fields.writing import check_new, check_patch
from trially.recruiting.studies.model import SORTS, RecruitingStatus, Study
from trially.recruiting.studies.schema import (
    RecruitingStatusSchema,
    StudyQuerySchema,
    StudySchema,
)
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("studies", __name__, url_prefix="/studies")

columns = table_of(Study).c

STUDIES = Resource(
    Study,
    StudySchema(),
    scope=WHOLE_TENANT,
    sorts=SORTS,
    filters={
        "status": equals(columns.status),
        "recruiting_status": equals(columns.recruiting_status),
        "source": equals(columns.source),
        "nct_id": equals(columns.nct_id),
        "phase": lambda phase: columns.phases.has_key(type_coerce(phase, Text)),
    },
)


@bp.get("")
@requires(Permission.STUDIES_READ)
@queries(StudyQuerySchema())
@returns_page(StudySchema())
def list_studies(query: dict[str, Any]) -> Page:
    """List studies, oldest first.

    Every member of the tenant sees all studies. `status`, `recruiting_status`, `phase`, `source`
    and `nct_id` narrow the list, and `sort` changes its order. A study that is not yet recruiting
    has another `status` than `recruiting`.
    """
    conditions = has_values(columns.custom, CustomResource.STUDY, query)
    return STUDIES.page(query, conditions)


@bp.post("")
@requires(Permission.STUDIES_WRITE)
@accepts(StudySchema())
@returns_version(StudySchema(), HTTPStatus.CREATED)
def create_study(body: dict[str, Any]) -> Item:
    """Create a study.

    The protocol number and the NCT id must be new in the tenant. Send an `Idempotency-Key` to
    repeat the request safely.
    """
    check_new(CustomResource.STUDY, body)
    return STUDIES.create(body)


@bp.get("/<uuid:study_id>")
@requires(Permission.STUDIES_READ)
@returns_version(StudySchema())
def show_study(study_id: UUID) -> Item:
    """Show a study.

    The `ETag` is the study's version, and `etag` repeats it in the body.
    """
    return STUDIES.get(study_id)


@bp.patch("/<uuid:study_id>")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@accepts_merge_patch(StudySchema(partial=True))
@returns_version(StudySchema())
def change_study(study_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change a study.

    The body is a merge patch (RFC 7396): members that it lacks stay, and null removes a value.
    `If-Match` must name the version that the caller has seen, or the answer is 412.
    """
    check_patch(CustomResource.STUDY, body)
    return STUDIES.change(study_id, versions, STUDIES.merged(study_id, body))


@bp.post("/<uuid:study_id>/status")
@requires(Permission.STUDIES_WRITE)
@may_conflict
@accepts(RecruitingStatusSchema())
@returns_version(StudySchema())
def set_recruiting_status(study_id: UUID, body: dict[str, Any]) -> Item:
    """Open, pause or close the tenant's recruiting for a study.

    It says nothing of the study elsewhere: that is its `status`. A study that was open cannot be
    `planned` again: the answer is 409. The same status again changes nothing.
    """
    study = STUDIES.get(study_id)
    status = body["recruiting_status"]
    if status == study["recruiting_status"]:
        return study
    if status == RecruitingStatus.PLANNED:
        raise Conflict("Recruiting has begun, so it cannot be planned again. Pause or close it.")
    return STUDIES.change(study_id, None, body)
