"""What the catalog says there is: which servers, which databases, whose, with which roles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import select

from trially.config import Settings, current_settings
from trially.tenancy.catalog import (
    Operation,
    PlacementRecord,
    Server,
    SharedDatabase,
    Tenant,
    Tier,
    catalog_transaction,
)
from trially.tenancy.lifecycle.operations import unfinished_operations
from trially.tenancy.servers.preparing import owner_role, reader_role

OWN_DATABASE = (Tier.DEDICATED_DATABASE, Tier.SILO)
"""Tiers in which a tenant has a database for itself."""


@dataclass(frozen=True)
class TenantDatabase:
    """A database of tenants."""

    server: str
    name: str
    tier: Tier
    tenants: Sequence[Tenant]

    @property
    def records(self) -> list[PlacementRecord]:
        """The placements in it."""
        return [tenant.placement for tenant in self.tenants]

    @property
    def schemas(self) -> Mapping[str, str]:
        """The role that reaches the rows of each schema of tenants' tables."""
        return {record.schema: record.role for record in self.records}

    @property
    def login_role(self) -> str:
        """The role that may connect to it: in all tiers it is called as the database."""
        return self.name

    @property
    def roles(self) -> frozenset[str]:
        """The roles that reach anything in it."""
        return frozenset({self.login_role, *(record.role for record in self.records)})


@dataclass(frozen=True)
class Fleet:
    """All servers and all places."""

    settings: Settings
    servers: Sequence[str]
    places: Sequence[TenantDatabase]
    unfinished: Sequence[Operation]

    @property
    def owner(self) -> str:
        """The role that owns every table."""
        return owner_role(self.settings)

    @property
    def reader(self) -> str:
        """The role that reads the catalog."""
        return reader_role(self.settings)

    @cached_property
    def places_by_server(self) -> Mapping[str, Sequence[TenantDatabase]]:
        """The places on each server."""
        return {
            server: [place for place in self.places if place.server == server]
            for server in self.servers
        }


def read_fleet() -> Fleet:
    """Read the catalog."""
    with catalog_transaction() as session:
        servers = session.scalars(select(Server.name).order_by(Server.name)).all()
        shared = session.scalars(select(SharedDatabase)).all()
        tenants = session.scalars(select(Tenant).order_by(Tenant.slug)).all()
    by_database: dict[tuple[str, str], list[Tenant]] = {
        (database.server.name, database.name): [] for database in shared
    }
    tiers = {(database.server.name, database.name): Tier(database.tier) for database in shared}
    for tenant in tenants:
        key = (tenant.placement.server.name, tenant.placement.database)
        by_database.setdefault(key, []).append(tenant)
        tiers.setdefault(key, Tier(tenant.placement.tier))
    return Fleet(
        settings=current_settings(),
        servers=servers,
        places=[
            TenantDatabase(*key, tiers[key], found) for key, found in sorted(by_database.items())
        ],
        unfinished=unfinished_operations(),
    )
