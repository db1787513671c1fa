"""Routes of sites."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint

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
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.filtering import has_values
from trially.recruiting.custom_fields.writing import check_new, check_patch
from trially.recruiting.sites.model import SORTS, Site
from trially.recruiting.sites.schema import SiteQuerySchema, SiteSchema
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("sites", __name__, url_prefix="/sites")

columns = table_of(Site).c

SITES = Resource(
    Site,
    SiteSchema(),
    scope=WHOLE_TENANT,
    sorts=SORTS,
    filters={"status": equals(columns.status)},
)


@bp.get("")
@requires(Permission.SITES_READ)
@queries(SiteQuerySchema())
@returns_page(SiteSchema())
def list_sites(query: dict[str, Any]) -> Page:
    """List sites, oldest first.

    Every member of the tenant sees all sites, also a member who is restricted to the patients
    of some. `sort` changes the order.
    """
    conditions = has_values(columns.custom, CustomResource.SITE, query)
    return SITES.page(query, conditions)


@bp.post("")
@requires(Permission.SITES_WRITE)
@accepts(SiteSchema())
@returns_version(SiteSchema(), HTTPStatus.CREATED)
def create_site(body: dict[str, Any]) -> Item:
    """Create a site.

    The name must be new in the tenant. Send an `Idempotency-Key` to repeat the request safely.
    """
    check_new(CustomResource.SITE, body)
    return SITES.create(body)


@bp.get("/<uuid:site_id>")
@requires(Permission.SITES_READ)
@returns_version(SiteSchema())
def show_site(site_id: UUID) -> Item:
    """Show a site.

    The `ETag` is the site's version, and `etag` repeats it in the body.
    """
    return SITES.get(site_id)


@bp.patch("/<uuid:site_id>")
@requires(Permission.SITES_WRITE)
@matches_versions
@accepts_merge_patch(SiteSchema(partial=True))
@returns_version(SiteSchema())
def change_site(site_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change a site.

    The body is a merge patch (RFC 7396): members that it lacks stay, and null removes a value.
    `If-Match` must name the version that the caller has seen, or the answer is 412.
    """
    check_patch(CustomResource.SITE, body)
    return SITES.change(site_id, versions, SITES.merged(site_id, body))
