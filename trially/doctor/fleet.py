"""The fleet as the catalog describes it: servers, databases, tenants and roles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlalchemy import select

from trially.config import Settings, current_settings
from trially.tenancy.catalog import Operation, PlacementRecord, Server, SharedDatabase, Tenant
from trially.tenancy.catalog_choices import UNBUILT, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.operations import unfinished_operations
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision, revisions_of
from trially.tenancy.schema.templates import TENANT_SCHEMA
from trially.tenancy.servers.preparing import owner_role, reader_role
from trially.tenancy.tiers import TIERS, PlacementTier


@dataclass(frozen=True)
class TenantDatabase:
    """A database that holds tenants, as the catalog describes it."""

    server: str
    name: str
    tier: PlacementTier
    tenants: Sequence[Tenant]
    inactive: Sequence[PlacementRecord] = ()
    """Placements there that tenants have left and may return to, or that they are moving to."""

    @property
    def records(self) -> list[PlacementRecord]:
        """The placements in the database."""
        return [tenant.placement for tenant in self.tenants]

    @property
    def served(self) -> list[Tenant]:
        """The tenants that are not being provisioned."""
        return [each for each in self.tenants if each.status not in UNBUILT]

    @property
    def schemas(self) -> frozenset[str]:
        """The schemas with tenants' tables, the blank schema included."""
        first = self.tier.blank_schema or TENANT_SCHEMA
        records = (*self.records, *self.inactive)
        return frozenset({first, *(record.schema for record in records)})

    @property
    def slug_by_schema(self) -> Mapping[str, str]:
        """The slug of the tenant of each schema that one tenant has."""
        if self.tier.shares_tables:
            return {}
        return {tenant.placement.schema: tenant.slug for tenant in self.tenants}

    @property
    def state(self) -> frozenset[tuple[object, ...]]:
        """What the catalog says of the placements; it changes when a command changes one."""
        return frozenset(
            (tenant.id, tenant.status, tenant.placement.epoch, tenant.placement.schema)
            for tenant in self.tenants
        ) | frozenset((record.id, record.schema) for record in self.inactive)

    @property
    def is_provisioned(self) -> bool:
        """Return False for the database of one tenant that is still being provisioned."""
        is_done = [tenant.status not in UNBUILT for tenant in self.tenants]
        return self.tier.shares_database or any(is_done) or not is_done

    @property
    def only_slug(self) -> str | None:
        """The slug of the database's tenant, or None if tenants share the database."""
        is_shared = self.tier.shares_database or len(self.tenants) != 1
        return None if is_shared else self.tenants[0].slug

    @property
    def login_role(self) -> str:
        """The role that may connect. In every tier it has the name of the database."""
        return self.name

    @property
    def roles(self) -> frozenset[str]:
        """The roles with any privilege in the database."""
        records = (*self.records, *self.inactive)
        return frozenset({self.login_role}).union(*map(self.tier.roles, records))


@dataclass(frozen=True)
class Fleet:
    """All servers, and all databases that hold tenants."""

    settings: Settings
    servers: Sequence[str]
    databases: Sequence[TenantDatabase]
    inactive: Sequence[PlacementRecord]
    """The placements that no tenant uses at the moment: see `TenantDatabase.inactive`."""

    unfinished: Sequence[Operation]
    """The hosts or containers that run the app with these settings."""

    @property
    def owner(self) -> str:
        """The role that owns every table."""
        return owner_role(self.settings)

    @property
    def reader(self) -> str:
        """The role that reads the catalog."""
        return reader_role(self.settings)

    @cached_property
    def head(self) -> str:
        """The newest revision of the tenants' migrations."""
        return newest_revision(TENANT_LINEAGE)

    @cached_property
    def revisions(self) -> frozenset[str]:
        """The revisions of the tenants' migrations."""
        return revisions_of(TENANT_LINEAGE)

    @cached_property
    def databases_by_server(self) -> Mapping[str, Sequence[TenantDatabase]]:
        """The databases on each server."""
        return {
            server: [database for database in self.databases if database.server == server]
            for server in self.servers
        }


def read_again(database: TenantDatabase) -> TenantDatabase:
    """Return a database with the tenants that the catalog places there now."""
    there = PlacementRecord.database == database.name
    placements = select(PlacementRecord.tenant_id).where(there, PlacementRecord.is_active)
    with catalog_transaction() as session:
        found = session.scalars(select(Tenant).where(Tenant.id.in_(placements))).all()
        unused = session.scalars(
            select(PlacementRecord).where(there, ~PlacementRecord.is_active)
        ).all()
    inactive = _inactive_in(unused, database.server, database.name)
    tenants = [tenant for tenant in found if tenant.placement.server.name == database.server]
    return replace(
        database, tenants=sorted(tenants, key=lambda tenant: tenant.slug), inactive=inactive
    )


def read_fleet() -> Fleet:
    """Read the fleet from the catalog."""
    with catalog_transaction() as session:
        servers = session.scalars(select(Server.name).order_by(Server.name)).all()
        shared = session.scalars(select(SharedDatabase)).all()
        tenants = session.scalars(select(Tenant).order_by(Tenant.slug)).all()
        inactive = session.scalars(select(PlacementRecord).where(~PlacementRecord.is_active)).all()
    tenants_by_database: dict[tuple[str, str], list[Tenant]] = {
        (database.server.name, database.name): [] for database in shared
    }
    tiers = {(database.server.name, database.name): Tier(database.tier) for database in shared}
    for tenant in tenants:
        key = (tenant.placement.server.name, tenant.placement.database)
        tenants_by_database.setdefault(key, []).append(tenant)
        tiers.setdefault(key, Tier(tenant.placement.tier))
    return Fleet(
        settings=current_settings(),
        servers=servers,
        databases=[
            TenantDatabase(*key, TIERS[tiers[key]], tenants_in, _inactive_in(inactive, *key))
            for key, tenants_in in sorted(tenants_by_database.items())
        ],
        inactive=inactive,
        unfinished=unfinished_operations(),
    )


def _inactive_in(
    records: Sequence[PlacementRecord], server: str, database: str
) -> Sequence[PlacementRecord]:
    return [each for each in records if (each.server.name, each.database) == (server, database)]
