"""Find and list tenants in the catalog. Loads little, so that these commands answer fast."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from trially.tenancy.catalog import (
    MembershipIndex,
    PlacementRecord,
    Server,
    Tenant,
    TenantKind,
    TenantStatus,
    Tier,
    catalog_transaction,
    is_called,
)
from trially.tenancy.names import UnknownTenantError
from trially.tenancy.pinning import is_served

ORDERS: dict[str, InstrumentedAttribute[object]] = {
    "slug": Tenant.slug,
    "name": Tenant.name,
    "kind": Tenant.kind,
    "status": Tenant.status,
    "tier": PlacementRecord.tier,
    "server": Server.name,
    "plan": Tenant.plan,
    "region": Tenant.region,
    "created_at": Tenant.created_at,
}
"""What a list of tenants can be sorted by."""


@dataclass(frozen=True)
class TenantFilter:
    """Which tenants to list, in which order. None does not restrict the list."""

    status: TenantStatus | None = None
    kind: TenantKind | None = None
    tier: Tier | None = None
    server: str | None = None
    plan: str | None = None
    region: str | None = None
    text: str | None = None
    """A part of the slug or of the name, in any case."""

    order: str = "slug"
    is_descending: bool = False
    limit: int | None = None

    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """Return the conditions on `Tenant`, its placement and its server."""
        wanted = {
            Tenant.status: self.status,
            Tenant.kind: self.kind,
            PlacementRecord.tier: self.tier,
            Server.name: self.server,
            Tenant.plan: self.plan,
            Tenant.region: self.region,
        }
        conditions = [column == value for column, value in wanted.items() if value is not None]
        if self.text is not None:
            text = self.text.lower()
            names = func.lower(Tenant.slug + " " + Tenant.name)
            conditions.append(names.contains(text, autoescape=True))
        return conditions


def list_tenants(wanted: TenantFilter = TenantFilter()) -> Sequence[Tenant]:
    """Return the tenants that this instance serves, by default all of them, ordered by slug."""
    order = ORDERS[wanted.order]
    statement = (
        select(Tenant)
        .join(PlacementRecord, (PlacementRecord.tenant_id == Tenant.id) & PlacementRecord.is_active)
        .join(Server, Server.id == PlacementRecord.server_id)
        .where(is_served(), *wanted.conditions())
        .order_by(order.desc() if wanted.is_descending else order, Tenant.slug)
        .limit(wanted.limit)
    )
    with catalog_transaction() as session:
        return session.scalars(statement).all()


def get_tenant(reference: str) -> Tenant:
    """Return the tenant with a current or former slug or an id, or raise `UnknownTenantError`."""
    with catalog_transaction() as session:
        tenant = session.scalar(select(Tenant).where(is_called(reference), is_served()))
    if tenant is None:
        raise UnknownTenantError(reference)
    return tenant


def count_members(tenant: Tenant) -> int:
    """Return the number of a tenant's members, from the catalog's index of them."""
    with catalog_transaction() as session:
        return (
            session.scalar(
                select(func.count())
                .select_from(MembershipIndex)
                .where(MembershipIndex.tenant_id == tenant.id)
            )
            or 0
        )


def complete_slugs(beginning: str, limit: int = 100) -> Sequence[str]:
    """Return the slugs that begin with some letters, in order."""
    statement = (
        select(Tenant.slug)
        .where(is_served(), Tenant.slug.startswith(beginning, autoescape=True))
        .order_by(Tenant.slug)
        .limit(limit)
    )
    with catalog_transaction() as session:
        return session.scalars(statement).all()


def complete_servers(beginning: str) -> Sequence[str]:
    """Return the names of servers that begin with some letters, in order."""
    statement = (
        select(Server.name)
        .where(Server.name.startswith(beginning, autoescape=True))
        .order_by(Server.name)
    )
    with catalog_transaction() as session:
        return session.scalars(statement).all()
