"""Routes of studies."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import Text, type_coerce

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
    queries,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.recruiting.studies.model import Study
from trially.recruiting.studies.schema import StudyQuerySchema, StudySchema
from trially.resources.listing import Listing, equals
from trially.resources.optimistic_locking import change_seen

bp = Blueprint("studies", __name__, url_prefix="/studies")

NAMES = tuple(StudySchema().fields)
VERSIONED = (*NAMES, "version")

columns = table_of(Study).c
STUDIES = Listing(
    Study,
    columns_named(Study, NAMES),
    order={"id": "asc"},
    filters={
        "status": equals(columns.status),
        "phase": lambda phase: columns.phases.has_key(type_coerce(phase, Text)),
    },
)


@bp.get("")
@requires(Permission.STUDIES_READ)
@queries(StudyQuerySchema())
@returns_page(StudySchema())
def list_studies(query: dict[str, Any]) -> Page:
    """List studies, oldest first."""
    return STUDIES.page(query)


@bp.post("")
@requires(Permission.STUDIES_WRITE)
@accepts(StudySchema())
@returns_version(StudySchema(), HTTPStatus.CREATED)
def create_study(body: dict[str, Any]) -> Item:
    """Add a study."""
    return insert_item(Study, body, VERSIONED)


@bp.get("/<uuid:study_id>")
@requires(Permission.STUDIES_READ)
@returns_version(StudySchema())
def show_study(study_id: UUID) -> Item:
    """Show a study."""
    return _found(find_item(Study, study_id, VERSIONED))


@bp.patch("/<uuid:study_id>")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@accepts_merge_patch(StudySchema(partial=True))
@returns_version(StudySchema())
def change_study(study_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change a study."""
    return _found(change_seen(Study, study_id, versions, body, VERSIONED))


def _found(study: Item | None) -> Item:
    if study is None:
        raise NotFound("There is no such study.")
    return study
