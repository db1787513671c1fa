"""Read servers and placements from the catalog."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from trially.platform.listing import Item
from trially.tenancy.catalog import PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import UNCLAIMED, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.pinning import is_served
from trially.tenancy.schema.revision_files import TENANT_LINEAGE
from trially.tenancy.schema.revisions import compare, needed_revision


def list_servers(after: str | None = None, limit: int | None = None) -> list[Item]:
    """Return servers in the order of their names, as the catalog knows them."""
    statement = select(Server).order_by(Server.name).limit(limit)
    if after is not None:
        statement = statement.where(Server.name > after)
    with catalog_transaction() as session:
        servers = session.scalars(statement).all()
        counts = session.execute(
            select(PlacementRecord.server_id, PlacementRecord.tier, func.count())
            .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
            .where(PlacementRecord.is_active, Tenant.status.not_in(UNCLAIMED))
            .group_by(PlacementRecord.server_id, PlacementRecord.tier)
        ).all()
    return [
        _describe(each, {tier: number for server, tier, number in counts if server == each.id})
        for each in servers
    ]


def list_placements(query: Mapping[str, Any], after: str | None, limit: int) -> Sequence[Item]:
    """Return active and kept placements of customers' tenants, in the order of their ids."""
    record, needed = PlacementRecord, needed_revision(TENANT_LINEAGE)
    statement = (
        select(record, Tenant.slug)
        .join(Tenant, Tenant.id == record.tenant_id)
        .where(is_served(), *_conditions(query))
        .order_by(record.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(record.id > UUID(after))
    with catalog_transaction() as session:
        rows = session.execute(statement).all()
    names = ("id", "tenant_id", "tier", "database", "schema", "epoch", "is_active")
    return [
        {
            **{name: getattr(placement, name) for name in names},
            "tenant": slug,
            "server": placement.server.name,
            "kept_until": placement.kept_until,
            "revision": placement.revision,
            "revision_state": compare(placement.revision, needed),
            "quarantine": placement.quarantine,
        }
        for placement, slug in rows
    ]


def _conditions(query: Mapping[str, Any]) -> list[Any]:
    record, conditions = PlacementRecord, []
    if "tenant" in query:
        conditions.append(Tenant.slug == query["tenant"])
    if "server" in query:
        named = select(Server.id).where(Server.name == query["server"])
        conditions.append(record.server_id.in_(named))
    if "tier" in query:
        conditions.append(record.tier == query["tier"])
    if "is_active" in query:
        conditions.append(record.is_active.is_(query["is_active"]))
    if "is_quarantined" in query:
        conditions.append(record.quarantine.is_not(None).is_(query["is_quarantined"]))
    return conditions


def _describe(server: Server, tenants: Mapping[str, int]) -> Item:
    return {
        "name": server.name,
        "state": "draining" if server.is_draining else "active",
        "region": server.region,
        "tiers": server.tiers or [tier.value for tier in Tier],
        "capacity": server.capacity,
        "replicas": len(server.replica_urls),
        "backup": server.backup,
        "tenants": sum(tenants.values()),
        "tenants_by_tier": dict(tenants),
    }
