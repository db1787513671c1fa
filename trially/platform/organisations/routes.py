"""Routes of organisations. Only commands change them, and only a tenant's owner lets it join."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from trially.analytics.schema import DayQuerySchema, SumsSchema
from trially.analytics.sums import sums_of, today
from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import queries, returns, returns_page
from trially.http.pages import Page
from trially.platform.asking import Item
from trially.platform.listing import not_found, page_of
from trially.platform.organisations.schema import (
    OrganisationQuerySchema,
    PlatformOrganisationSchema,
)
from trially.platform.routes import bp
from trially.request_cycle.platform import reading
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.organisations.managing import (
    NoOrganisationError,
    get_organisation,
    list_organisations,
)


@bp.get("/organisations")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(OrganisationQuerySchema())
@returns_page(PlatformOrganisationSchema())
def list_platform_organisations(query: dict[str, Any]) -> Page:
    """List organisations in the order of their short names.

    Commands create them and invite tenants. No operator can accept an invitation.
    """
    return page_of(query, "organisation", _read)


@bp.get("/organisations/<organisation>/analytics")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(DayQuerySchema())
@returns(SumsSchema())
def show_platform_analytics(organisation: str, query: Mapping[str, Any]) -> Item:
    """Show the sums that the people of an organisation see.

    Each tenant rounds its numbers of patients down before it shares them. The numbers of a single
    tenant are not shown.
    """
    try:
        return reading(lambda: _read_sums(organisation, query))
    except NoOrganisationError:
        raise not_found(f"organisation {organisation!r}") from None


def _read(after: str | None, limit: int) -> Sequence[Item]:
    return [
        {
            "id": each.organisation.id,
            "organisation": each.organisation.short_name,
            "name": each.organisation.name,
            "joined": each.joined,
            "invited": each.invited,
            "people": each.people,
            "created_at": each.organisation.created_at,
        }
        for each in list_organisations(after, limit)
    ]


def _read_sums(short_name: str, query: Mapping[str, Any]) -> Item:
    with catalog_transaction() as session:
        found = get_organisation(session, short_name)
        sums = sums_of(session, found.id, query.get("on") or today())
    return {"organisation_id": found.id, **asdict(sums)}
