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
    update_item,
)
from trially.http.contract import accepts, accepts_merge_patch, queries, returns, returns_page
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.recruiting.listing import Listing, equals
from trially.recruiting.studies.model import Study
from trially.recruiting.studies.schema import StudyQuerySchema, StudySchema

bp = Blueprint("studies", __name__, url_prefix="/studies")

NAMES = tuple(StudySchema().fields)

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
@returns(StudySchema(), HTTPStatus.CREATED)
def create_study(body: dict[str, Any]) -> Item:
    """Add a study."""
    return insert_item(Study, body, NAMES)


@bp.get("/<uuid:study_id>")
@requires(Permission.STUDIES_READ)
@returns(StudySchema())
def show_study(study_id: UUID) -> Item:
    """Show a study."""
    return _found(find_item(Study, study_id, NAMES))


@bp.patch("/<uuid:study_id>")
@requires(Permission.STUDIES_WRITE)
@accepts_merge_patch(StudySchema(partial=True))
@returns(StudySchema())
def change_study(study_id: UUID, body: dict[str, Any]) -> Item:
    """Change a study."""
    return _found(update_item(Study, study_id, body, NAMES))


def _found(study: Item | None) -> Item:
    if study is None:
        raise NotFound("There is no such study.")
    return study
