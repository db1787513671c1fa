"""Routes of servers and placements."""

from typing import Any

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import accepts, queries, returns, returns_later, returns_page
from trially.http.pages import Page
from trially.platform.asking import Item, ask
from trially.platform.listing import not_found, page_of
from trially.platform.operations.schema import OperationSchema
from trially.platform.paths import OPERATIONS
from trially.platform.routes import bp
from trially.platform.servers.reading import list_placements, list_servers
from trially.platform.servers.schema import (
    DrainSchema,
    PlacementQuerySchema,
    PlacementSchema,
    ServerQuerySchema,
    ServerSchema,
)
from trially.request_cycle.platform import reading


@bp.get("/servers")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(ServerQuerySchema())
@returns_page(ServerSchema())
def list_platform_servers(query: dict[str, Any]) -> Page:
    """List servers in the order of their names.

    This is what the catalog knows of them. Whether one answers, and what is wrong with it, is among
    the findings of the doctor.
    """
    return page_of(query, "name", list_servers)


@bp.get("/servers/<server>")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns(ServerSchema())
def show_platform_server(server: str) -> Item:
    """Show a server.

    `tenants_by_tier` counts the tenants that are placed on it now.
    """
    return _find(server)


@bp.post("/servers/<server>/drain")
@requires_platform(PlatformPermission.SERVERS_DRAIN)
@accepts(DrainSchema())
@returns_later(OperationSchema(), OPERATIONS)
def drain_platform_server(server: str, body: Item) -> Item:
    """Stop placing new tenants on a server, and move its tenants to others if asked.

    With `moves_tenants`, they move one after the other while they work. `result` says where each
    one is. The operation fails if one could not be moved; the others have moved.
    """
    _find(server)
    return ask("server.drain", {"server": server, **body})


@bp.post("/servers/<server>/resume")
@requires_platform(PlatformPermission.SERVERS_DRAIN)
@returns_later(OperationSchema(), OPERATIONS)
def resume_platform_server(server: str) -> Item:
    """Place tenants on a drained server again.

    Tenants that have moved away do not come back by this.
    """
    _find(server)
    return ask("server.resume", {"server": server})


@bp.get("/placements")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(PlacementQuerySchema())
@returns_page(PlacementSchema())
def list_platform_placements(query: dict[str, Any]) -> Page:
    """List where tenants are placed, and the placements that they have left and that are kept.

    `revision_state` says whether the tables are at the revision that this version needs.
    """
    return page_of(query, "id", lambda after, limit: list_placements(query, after, limit))


def _find(name: str) -> Item:
    found = [each for each in reading(list_servers) if each["name"] == name]
    if not found:
        raise not_found(f"server {name!r}")
    return found[0]
