"""Routes of the sites of studies."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
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
from trially.recruiting.studies.routes import STUDIES, bp
from trially.recruiting.studies.sites.activation import dates_of
from trially.recruiting.studies.sites.model import StudySite
from trially.recruiting.studies.sites.schema import (
    StudySitePatchSchema,
    StudySiteQuerySchema,
    StudySiteSchema,
)
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import of_site

columns = table_of(StudySite).c

STUDY_SITES = Resource(
    StudySite,
    StudySiteSchema(),
    scope=of_site(columns.site_id),
    filters={"study_id": equals(columns.study_id), "status": equals(columns.status)},
)


@bp.get("/<uuid:study_id>/sites")
@requires(Permission.STUDIES_READ)
@queries(StudySiteQuerySchema())
@returns_page(StudySiteSchema())
def list_study_sites(study_id: UUID, query: dict[str, Any]) -> Page:
    """List the sites of a study, oldest first.

    A member who is restricted to sites sees those. The locations that a registry names are in the
    study's registry record.
    """
    STUDIES.get(study_id)
    return STUDY_SITES.page(query, study_id=study_id)


@bp.post("/<uuid:study_id>/sites")
@requires(Permission.STUDIES_WRITE)
@accepts(StudySiteSchema())
@returns_version(StudySiteSchema(), HTTPStatus.CREATED)
def create_study_site(study_id: UUID, body: dict[str, Any]) -> Item:
    """Add a site to a study.

    A site is added once. Send an `Idempotency-Key` to repeat the request safely.
    """
    STUDIES.get(study_id)
    return STUDY_SITES.create({"study_id": study_id, **body, **dates_of(body, {})})


@bp.get("/<uuid:study_id>/sites/<uuid:study_site_id>")
@requires(Permission.STUDIES_READ)
@returns_version(StudySiteSchema())
def show_study_site(study_id: UUID, study_site_id: UUID) -> Item:
    """Show a site of a study.

    A site that the caller may not see is answered like one that the study does not have.
    """
    return _find(study_id, study_site_id)


@bp.patch("/<uuid:study_id>/sites/<uuid:study_site_id>")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@accepts_merge_patch(StudySitePatchSchema(partial=True))
@returns_version(StudySiteSchema())
def change_study_site(
    study_id: UUID, study_site_id: UUID, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Open, pause or close a site of a study, or change its target or investigator.

    The dates of opening and closing follow from the status, unless the body has them. Closing a
    site moves no candidate.
    """
    stored = _find(study_id, study_site_id)
    return STUDY_SITES.change(study_site_id, versions, body, dates_of(body, stored))


def _find(study_id: UUID, study_site_id: UUID) -> Item:
    STUDIES.get(study_id)
    found = STUDY_SITES.get(study_site_id)
    if found["study_id"] != study_id:
        raise STUDY_SITES.not_found()
    return found
