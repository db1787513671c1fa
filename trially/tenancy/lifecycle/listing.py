"""Find and list tenants in the catalog. Loads little, so that these commands answer fast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, select

from trially.tenancy.catalog import MembershipIndex, PlacementRecord, Server, Tenant, is_called
from trially.tenancy.catalog_choices import UNSERVED
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.names import UnknownTenantError
from trially.tenancy.pinning import is_served

_tenant, _placement, _server = Tenant.__table__, PlacementRecord.__table__, Server.__table__

SHOWN: dict[str, ColumnElement[Any]] = {
    "id": cast(_tenant.c.id, String),
    **{name: _tenant.c[name] for name in ("slug", "name", "kind", "status", "plan", "region")},
    "time_zone": _tenant.c.time_zone,
    "tier": _placement.c.tier,
    "server": _server.c.name,
    **{name: _placement.c[name] for name in ("database", "schema", "epoch")},
    "erase_after": _tenant.c.erase_after,
    "legal_hold": _tenant.c.legal_hold,
    "created_at": _tenant.c.created_at,
}
"""What a list shows of a tenant, and can be sorted by."""


@dataclass(frozen=True)
class TenantFilter:
    """Which tenants to list, in which order. None does not restrict the list."""

    status: str | None = None
    kind: str | None = None
    tier: str | None = None
    server: str | None = None
    plan: str | None = None
    region: str | None = None
    text: str | None = None
    """A part of the slug or of the name, in any case."""

    order: str = "slug"
    is_descending: bool = False
    limit: int | None = None
    after: str | None = None
    """Only those whose slug comes after this one."""

    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """Return the conditions on the tenant, its placement and its server."""
        names = ("status", "kind", "tier", "server", "plan", "region")
        wanted = {name: getattr(self, name) for name in names}
        conditions = [SHOWN[name] == value for name, value in wanted.items() if value is not None]
        if self.after is not None:
            conditions.append(SHOWN["slug"] > self.after)
        if self.text is not None:
            searched = func.lower(_tenant.c.slug + " " + _tenant.c.name)
            conditions.append(searched.contains(self.text.lower(), autoescape=True))
        return conditions


def describe_tenants(wanted: TenantFilter) -> Sequence[dict[str, Any]]:
    """Return what a list shows of the tenants that this instance serves.

    It reads columns. To read objects instead, SQLAlchemy would first configure all mappers of the
    catalog, which takes longer than the rest of the query.
    """
    order = SHOWN[wanted.order]
    tables = _tenant.join(
        _placement, (_placement.c.tenant_id == _tenant.c.id) & _placement.c.is_active
    ).join(_server, _server.c.id == _placement.c.server_id)
    statement = (
        select(*(column.label(name) for name, column in SHOWN.items()))
        .select_from(tables)
        .where(is_served(), *wanted.conditions())
        .order_by(order.desc() if wanted.is_descending else order, _tenant.c.slug)
        .limit(wanted.limit)
    )
    with control_engine().connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def slugs_of_created() -> list[str]:
    """Return the slugs of all tenants but those whose creation has not ended, in their order."""
    return [each.slug for each in list_tenants() if each.status not in UNSERVED]


def list_tenants() -> Sequence[Tenant]:
    """Return the tenants that this instance serves, ordered by slug."""
    with catalog_transaction() as session:
        return session.scalars(select(Tenant).where(is_served()).order_by(Tenant.slug)).all()


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
