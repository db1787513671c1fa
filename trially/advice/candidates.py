"""Moves that a rule asks for, before they are checked."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from trially.advice.fleet import Fleet, ServerFacts, TenantFacts
from trially.advice.rules import Rule, Thresholds
from trially.tenancy.catalog_choices import Tier

Place = tuple[UUID, Tier, str]
"""A tenant, and the tier and the server that it would move to."""


@dataclass(frozen=True)
class Wish:
    """That a tenant should be in one of some tiers."""

    tenant: TenantFacts
    rule: Rule
    reason: str
    """Why, as a sentence with the figures."""

    tiers: Sequence[Tier]
    """The tiers that would do, the best one first."""

    leaves_server: bool = False


@dataclass(frozen=True)
class Candidate:
    """A move that a rule asks for."""

    tenant: TenantFacts
    tier: Tier
    server: str
    rule: Rule
    reason: str

    @property
    def place(self) -> Place:
        """What the move would do."""
        return self.tenant.id, self.tier, self.server

    @property
    def command(self) -> str:
        """The command that makes the move. Neither name needs quotes in a shell."""
        words = ["flask tenants move", self.tenant.slug]
        if self.tier != self.tenant.tier:
            words += ["--to-tier", self.tier.value]
        if self.server != self.tenant.server:
            words += ["--to-server", self.server]
        return " ".join(words)


Propose = Callable[[Fleet, Collection[Place]], Candidate | None]
"""Return the next move for a fleet, none of those that were refused."""


def place(
    fleet: Fleet, wish: Wish, refused: Collection[Place], limits: Thresholds
) -> Candidate | None:
    """Return the move that fulfils a wish, or None if no server is fit for it.

    The tenant stays on its server if it can. Else it moves to the emptiest one.
    """
    tenant = wish.tenant
    for tier in wish.tiers:
        fitting = [
            server
            for server in fleet.servers
            if (tier, server.name) != (tenant.tier, tenant.server)
            and not (wish.leaves_server and server.name == tenant.server)
            and (tenant.id, tier, server.name) not in refused
            and fleet.accepts(server, tenant, tier)
            and has_room(fleet, tenant, tier, server, limits)
        ]
        if fitting:
            best = min(fitting, key=lambda each: _distance(each, tenant))
            return Candidate(tenant, tier, best.name, wish.rule, wish.reason)
    return None


def has_room(
    fleet: Fleet, tenant: TenantFacts, tier: Tier, server: ServerFacts, limits: Thresholds
) -> bool:
    """Return whether a server is not crowded after a move, or at least not more than before.

    On the tenant's own server, the former rows take their place too until they are removed.
    """
    after = fleet.server_after(tenant, tier, server.name)
    if server.name == tenant.server and after.stored_bytes is not None:
        after = replace(after, stored_bytes=after.stored_bytes + (tenant.stored_bytes or 0))
    return all(
        share < limit_of(name, limits) or share <= server.shares[name]
        for name, share in after.shares.items()
    )


def limit_of(name: str, limits: Thresholds) -> float:
    """Return from which share on a limit of a server counts as used up."""
    threshold = limits.full_share if name == "capacity" else limits.crowded_share
    return threshold.value


def _distance(server: ServerFacts, tenant: TenantFacts) -> tuple[bool, float, int, str]:
    fullest = max(server.shares.values(), default=0.0)
    return server.name != tenant.server, fullest, server.tenants, server.name
