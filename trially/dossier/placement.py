"""Where a tenant's rows are, and what stands between them and other tenants."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_choices import UNCLAIMED
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.measuring import measure_placement
from trially.tenancy.lifecycle.moving.estimating import measure_tables
from trially.tenancy.lifecycle.moving.kept import kept_placements
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import tier_of

_WALLS = {
    "database": (
        "Its database is its own. No other tenant's login role may connect to it.",
        "Every table refuses rows of another tenant by a CHECK.",
    ),
    "schema": (
        "Its schema is its own. Other tenants have schemas in the same database.",
        "No other tenant's role may use the schema or its tables.",
        "Every table refuses rows of another tenant by a CHECK.",
    ),
    "tables": (
        "Its rows share tables with other tenants.",
        "Row-level security, forced for owners too, shows each transaction one tenant's rows only.",
    ),
}

_ALWAYS = (
    "Each transaction begins with a guard that compares tenant, place and epoch in the database.",
)


def describe_placement(tenant: Tenant) -> dict[str, Any]:
    """Return where a tenant's rows are: server, database, schema, sizes, neighbours and walls.

    Other tenants are counted and not named.
    """
    record = tenant.placement
    return {
        "tier": record.tier,
        "server": record.server.name,
        "region": record.server.region,
        "postgresql": _version_of(record.server.name),
        "database": record.database,
        "schema": record.schema,
        "epoch": record.epoch,
        **measure_placement(record),
        "shares": _shared_part(record),
        "neighbours": _count_neighbours(record),
        "walls": [*_WALLS[_shared_part(record)], *_ALWAYS],
        "tables": [{"table": table.name, "rows": table.rows} for table in measure_tables(record)],
        "former": [
            {"tier": kept.tier, "server": kept.server.name, "kept_until": kept.kept_until}
            for kept in kept_placements(tenant.id)
        ],
    }


def _shared_part(record: PlacementRecord) -> str:
    """Return the smallest part of a server that is the tenant's own, or that it shares."""
    tier = tier_of(record)
    if tier.shares_tables:
        return "tables"
    return "schema" if tier.shares_database else "database"


def _version_of(server: str) -> str:
    with server_access(server).administer() as raw:
        [(version,)] = execute(raw, "SHOW server_version")
    return str(version)


def _count_neighbours(record: PlacementRecord) -> dict[str, int]:
    """Return how many other tenants have rows on the same server, and in the same database."""
    others = (
        select(func.count())
        .select_from(PlacementRecord)
        .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
        .where(
            PlacementRecord.server_id == record.server_id,
            PlacementRecord.tenant_id != record.tenant_id,
            Tenant.status.not_in(UNCLAIMED),
        )
    )
    with Session(control_engine()) as session:
        return {
            "on_server": session.scalar(others) or 0,
            "in_database": session.scalar(others.where(PlacementRecord.database == record.database))
            or 0,
        }
