"""Routes of sources."""

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
from trially.recruiting.patients.chosen_mrns import rechoose_mrns
from trially.recruiting.source_settings.schema import (
    SourcePatchSchema,
    SourceQuerySchema,
    SourceSchema,
)
from trially.recruiting.sources.locking import lock_source
from trially.recruiting.sources.model import SORTS, RecordSource, time_zone_changes
from trially.recruiting.sources.server_urls import canonical_base
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.tenancy.context import current_tenant

bp = Blueprint("sources", __name__, url_prefix="/sources")

SOURCES = Resource(
    RecordSource,
    SourceSchema(),
    name="source",
    scope=WHOLE_TENANT,
    sorts=SORTS,
    filters={"name": equals(table_of(RecordSource).c.name)},
)


@bp.get("")
@requires(Permission.SOURCES_READ)
@queries(SourceQuerySchema())
@returns_page(SourceSchema())
def list_sources(query: dict[str, Any]) -> Page:
    """List sources, oldest first.

    A source is a system that assigns the ids of its records. Its name is the `source` of its
    patients. `sort` changes the order.
    """
    return SOURCES.page(query)


@bp.post("")
@requires(Permission.SOURCES_WRITE)
@accepts(SourceSchema())
@returns_version(SourceSchema(), HTTPStatus.CREATED)
def create_source(body: dict[str, Any]) -> Item:
    """Create a source, to configure it before its first import.

    The first import that names a new source creates it without any configuration. Send an
    `Idempotency-Key` to repeat the request safely.
    """
    if body.get("base_url") is not None:
        body["base_url"] = canonical_base(body["base_url"])
    return SOURCES.create(body)


@bp.get("/<uuid:source_id>")
@requires(Permission.SOURCES_READ)
@returns_version(SourceSchema())
def show_source(source_id: UUID) -> Item:
    """Show a source.

    The `ETag` is the source's version, and `etag` repeats it in the body.
    """
    return SOURCES.get(source_id)


@bp.patch("/<uuid:source_id>")
@requires(Permission.SOURCES_WRITE)
@matches_versions
@accepts_merge_patch(SourcePatchSchema(partial=True))
@returns_version(SourceSchema())
def change_source(source_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change how a source is read.

    The body is a merge patch (RFC 7396): members that it lacks stay, and null removes a value, also
    within `column_mapping`. Name and base URL never change, because the keys of records depend on
    them. `If-Match` must name the version that the caller has seen, or the answer is 412.

    A new `mrn_system` changes the MRNs of the source's stored patients at once. If two of them
    would have the same MRN, nothing is changed, and the answer is 409: `conflicts` lists their ids,
    as far as the caller may see the patients.

    With another time zone, the times that have no offset are read again: those of the first records
    at once, and the others by the next import of the source.
    """
    name = SOURCES.get(source_id)["name"]
    if body.keys() & {"mrn_system", "time_zone"}:
        lock_source(name)
    changed = SOURCES.change(source_id, versions, SOURCES.merged(source_id, body))
    if "time_zone" in body:
        time_zone_changes.send(name, zone=body["time_zone"] or current_tenant().time_zone)
    if "mrn_system" in body:
        rechoose_mrns(name, changed["mrn_system"])
    return changed
