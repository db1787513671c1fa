"""Tenants and servers, as the rules see them, and what a move changes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from uuid import UUID

from trially.tenancy.catalog import Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.servers.choice import standing_objection
from trially.tenancy.tiers import TIERS, PlacementTier


@dataclass(frozen=True)
class QuotaUse:
    """How much of a limit was used at the end of the last counted day."""

    used: int
    most: int


@dataclass(frozen=True)
class TenantFacts:
    """What is known of a tenant. None means that it is not known."""

    id: UUID
    slug: str
    plan: str
    plan_tiers: Sequence[Tier]
    """The tiers that its plan names, the one of new tenants first. Empty means all tiers."""

    region: str | None
    tier: Tier
    server: str
    stays: str | None = None
    """Why it must not move, as a clause."""

    stored_bytes: int | None = None
    """Its tables with indexes. Estimated from statistics in tables that tenants share."""

    load: float | None = None
    """Connections that waited for its database, on average of all counted days."""

    peak_load: float | None = None
    """The same in its busiest hour."""

    connections: int | None = None
    """Open connections to a database of its own."""

    counted_days: int = 0
    quotas: Mapping[str, QuotaUse] = field(default_factory=dict)

    @property
    def kind(self) -> PlacementTier:
        """The implementation of its tier."""
        return TIERS[self.tier]

    def may_have(self, tier: Tier) -> bool:
        """Return whether its plan allows a tier that it could move into."""
        return TIERS[tier].can_move and (not self.plan_tiers or tier in self.plan_tiers)

    @property
    def movable_tiers(self) -> Sequence[Tier]:
        """The tiers that it may move into, in the order of its plan."""
        return [tier for tier in self.plan_tiers or tuple(TIERS) if self.may_have(tier)]


@dataclass(frozen=True)
class ServerFacts:
    """What is known of a server. None means that it is not known."""

    record: Server
    tenants: int
    """Tenants of customers, whatever their state."""

    own_databases: int = 0
    """How many of them have a database of their own."""

    is_reachable: bool = True
    stored_bytes: int | None = None
    """All its databases, those of others too."""

    disk_bytes: int | None = None
    """As the operator has told. PostgreSQL does not tell it."""

    connections: int | None = None
    """Open connections of clients."""

    most_connections: int | None = None
    """Those that it accepts, without those reserved for administrators."""

    kept_connections: int = 64
    """Those that one process keeps."""

    @property
    def name(self) -> str:
        """Its name in the catalog."""
        return self.record.name

    @property
    def shares(self) -> Mapping[str, float]:
        """How much of each limit is used that is known, as a share of 1."""
        known = {
            "connections": (self.connections, self.most_connections),
            "disk": (self.stored_bytes, self.disk_bytes),
            "capacity": (self.tenants, self.record.capacity),
        }
        return {
            name: used / most
            for name, (used, most) in known.items()
            if used is not None and most is not None
        }


@dataclass(frozen=True)
class Fleet:
    """All tenants and servers."""

    tenants: Sequence[TenantFacts]
    servers: Sequence[ServerFacts]
    missing: Sequence[str] = ()
    """What is not known, as sentences."""

    most_of_tenant: int = 8
    """The most connections that all processes open to one tenant's database."""

    moved: frozenset[UUID] = frozenset()
    """The tenants that have moved in this plan."""

    @cached_property
    def by_name(self) -> Mapping[str, ServerFacts]:
        """The servers by their names."""
        return {server.name: server for server in self.servers}

    @property
    def movable(self) -> Sequence[TenantFacts]:
        """The tenants that may move, and have not moved in this plan."""
        return [
            each
            for each in self.tenants
            if each.stays is None and each.kind.can_move and each.id not in self.moved
        ]

    def accepts(self, server: ServerFacts, tenant: TenantFacts, tier: Tier) -> bool:
        """Return whether a tenant may be in a tier on a server.

        A tenant without a region stays in the region of its server.
        """
        here = self.by_name[tenant.server]
        region = tenant.region or here.record.region
        capacity = server.record.capacity
        others = server.tenants - (server.name == here.name)
        return (
            server.is_reachable
            and server.record.region == region
            and standing_objection(server.record, tier, tenant.region) is None
            and (capacity is None or others < capacity)
        )

    def connections_of(self, tenant: TenantFacts, tier: Tier) -> int:
        """Return the most connections that a tenant adds to a server in a tier.

        None are added in a shared database, whose connections all its tenants use.
        """
        if TIERS[tier].shares_database:
            return 0
        is_own = not tenant.kind.shares_database and tenant.connections is not None
        return (tenant.connections or 0) if is_own else self.most_of_tenant

    def moved_to(self, tenant: TenantFacts, tier: Tier, server: str) -> TenantFacts:
        """Return a tenant as it is after a move."""
        connections = self.connections_of(tenant, tier)
        return replace(tenant, tier=tier, server=server, connections=connections)

    def server_after(self, tenant: TenantFacts, tier: Tier, server: str) -> ServerFacts:
        """Return a server after a tenant has moved to it, with its former placement removed."""
        return _changed(self.by_name[server], tenant, self.moved_to(tenant, tier, server))

    def after(self, tenant: TenantFacts, tier: Tier, server: str) -> "Fleet":
        """Return the fleet after a move, when the former placement has been removed."""
        came = self.moved_to(tenant, tier, server)
        changes = {
            name: _changed(self.by_name[name], tenant, came) for name in (tenant.server, server)
        }
        return replace(
            self,
            tenants=[came if each.id == tenant.id else each for each in self.tenants],
            servers=[changes.get(each.name, each) for each in self.servers],
            moved=self.moved | {tenant.id},
        )


def _changed(server: ServerFacts, left: TenantFacts, came: TenantFacts) -> ServerFacts:
    """Return a server after a tenant has left it, has come to it, or has changed its tier there."""
    sides = [(sign, each) for sign, each in ((-1, left), (1, came)) if each.server == server.name]
    connections = sum(
        sign * (each.connections or 0) for sign, each in sides if not each.kind.shares_database
    )
    stored = sum(sign * (each.stored_bytes or 0) for sign, each in sides)
    return replace(
        server,
        tenants=server.tenants + sum(sign for sign, _ in sides),
        own_databases=server.own_databases
        + sum(sign for sign, each in sides if not each.kind.shares_database),
        stored_bytes=None if server.stored_bytes is None else server.stored_bytes + stored,
        connections=None if server.connections is None else server.connections + connections,
    )
