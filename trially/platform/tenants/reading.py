"""Read tenants from the catalog, as the platform API shows them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.platform.listing import Item, not_found, with_version
from trially.request_cycle.platform import reading
from trially.tenancy.catalog import Server, Tenant, TenantSlug
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.entitlements.model import Plan
from trially.tenancy.lifecycle.listing import (
    TenantFilter,
    count_members,
    describe_tenants,
    get_tenant,
)
from trially.tenancy.names import UnknownTenantError
from trially.tenancy.plans.reading import active_overrides, tenant_plan_of

UNSHOWN = ("database", "schema", "epoch")
"""Names in databases, which `/placements` shows."""


def list_page(query: Mapping[str, Any], after: str | None, limit: int) -> Sequence[Item]:
    """Return tenants in the order of their slugs."""
    wanted = {name: query[name] for name in query.keys() - {"limit", "cursor"}}
    items = describe_tenants(TenantFilter(**wanted, after=after, limit=limit))
    return [_shown(each) for each in items]


def find_tenant(slug: str) -> Item:
    """Return a tenant with its version, by its slug, a former slug or its id, or answer 404."""
    try:
        return reading(lambda: with_version(describe_in_full(slug)))
    except UnknownTenantError:
        raise not_found(f"tenant {slug!r}") from None


def describe_in_full(reference: str) -> Item:
    """Return a tenant with what it may have, or raise `UnknownTenantError`."""
    tenant = get_tenant(reference)
    with catalog_transaction() as session:
        plan = tenant_plan_of(session, tenant)
        overrides = active_overrides(session, tenant.id)
    return {
        **_describe(tenant),
        "members": count_members(tenant),
        "features": sorted(plan.features),
        "limits": [{"name": limit, "most": plan.most(limit)} for limit in Limit],
        "overrides": [
            {
                "name": each.name,
                "value": each.most if each.is_on is None else each.is_on,
                "reason": each.reason,
                "until": each.until,
            }
            for each in overrides
        ],
    }


def is_taken(slug: str) -> bool:
    """Return whether a slug is or was that of a tenant."""
    with catalog_transaction() as session:
        return session.get(TenantSlug, slug) is not None


def names_of(model: type[Plan] | type[Server]) -> frozenset[str]:
    """Return the names of all plans, or of all servers."""
    with catalog_transaction() as session:
        return frozenset(session.scalars(select(model.name)))


def regions() -> frozenset[str]:
    """Return the regions of all servers."""
    with catalog_transaction() as session:
        return frozenset(session.scalars(select(Server.region).where(Server.region.is_not(None))))


def tiers_of(plan: str) -> Sequence[str]:
    """Return the tiers that a plan allows; none if it allows all."""
    with catalog_transaction() as session:
        return session.scalar(select(Plan.tiers).where(Plan.name == plan)) or []


def _describe(tenant: Tenant) -> Item:
    record = tenant.placement
    names = ("id", "slug", "name", "kind", "status", "plan", "region", "time_zone")
    return {
        **{name: getattr(tenant, name) for name in names},
        "tier": record.tier,
        "server": record.server.name,
        **{name: getattr(tenant, name) for name in ("erase_after", "legal_hold", "created_at")},
    }


def _shown(item: Mapping[str, Any]) -> Item:
    shown = {name: value for name, value in item.items() if name not in UNSHOWN}
    return {**shown, "id": UUID(shown["id"])}
