"""What commands print of a server: its row in the catalog, and its current state."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select

from trially.tenancy.catalog import PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import UNCLAIMED, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.servers.access import access_to
from trially.tenancy.servers.probing import ServerState, probe_servers


def describe_servers(rows: Sequence[Server]) -> list[dict[str, Any]]:
    """Describe servers by their rows in the catalog and by probing them in parallel."""
    with catalog_transaction() as session:
        counts = session.execute(
            select(PlacementRecord.server_id, PlacementRecord.tier, func.count())
            .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
            .where(PlacementRecord.is_active, Tenant.status.not_in(UNCLAIMED))
            .group_by(PlacementRecord.server_id, PlacementRecord.tier)
        ).all()
    accesses = [access_to(server) for server in rows]
    states = probe_servers([(each.administrator_url(), each.replica_urls) for each in accesses])
    return [
        _describe_one(
            server,
            state,
            {tier: count for server_id, tier, count in counts if server_id == server.id},
        )
        for server, state in zip(rows, states, strict=True)
    ]


def _describe_one(server: Server, state: ServerState, tenants: dict[str, int]) -> dict[str, Any]:
    access = access_to(server)
    return {
        "name": server.name,
        "url": str(access.admin_url),
        "pooler_url": str(access.pooler_url) if access.pooler_url else None,
        "state": "draining" if server.is_draining else "active",
        "region": server.region,
        "tiers": server.tiers or [tier.value for tier in Tier],
        "capacity": server.capacity,
        "backup": server.backup,
        "tenants": sum(tenants.values()),
        "tenants_by_tier": tenants,
        "reachable": state.is_reachable,
        "version": state.version,
        "replicas": [asdict(replica) for replica in state.replicas],
    }


def format_lag(item: dict[str, Any]) -> str:
    """Return the lag of each replica of a server, as text."""
    lags = (each["lag_seconds"] for each in item["replicas"])
    return ", ".join("unknown" if lag is None else f"{lag:.1f} s" for lag in lags)
