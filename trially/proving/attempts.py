"""An attempt to reach one tenant as another, the two parties, and the outcome."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.tiers import PlacementTier, tier_of


class Outcome(StrEnum):
    """The outcome of an attempt."""

    HELD = "held"
    """A wall refused the attempt, or the attempt found nothing."""

    LIMIT = "documented limit"
    """The attempt succeeded, and docs/tiers.md documents it as a limit."""

    BREACHED = "breached"
    """The attempt succeeded where it must not."""

    INCONCLUSIVE = "inconclusive"
    """The attempt failed for a reason other than a wall, so it proves nothing."""

    NOT_APPLICABLE = "not applicable"
    """The attempt was not made, because it cannot succeed or fail here."""


@dataclass(frozen=True)
class Attempt:
    """One path that was tried to reach one tenant as another."""

    tenant: str
    """Slug of the tenant under attack."""

    attacker: str | None
    """Slug of the attacking tenant; None if the attempt needs no tenant."""

    path: str
    outcome: Outcome

    wall: str
    """The wall that held; otherwise the breach, or the reason of the outcome."""

    remedy: str | None = None


@dataclass(frozen=True)
class Party:
    """A tenant that attacks or is attacked."""

    tenant: Tenant

    @property
    def slug(self) -> str:
        """The tenant's slug."""
        return self.tenant.slug

    @property
    def record(self) -> PlacementRecord:
        """The tenant's placement in the catalog."""
        return self.tenant.placement

    @property
    def tier(self) -> PlacementTier:
        """The implementation of the tenant's tier."""
        return tier_of(self.record)

    @cached_property
    def placement(self) -> Placement:
        """The placement as request handling needs it."""
        return self.tier.placement(self.record)

    @property
    def login_role(self) -> str:
        """The role of the tenant's connections."""
        return str(self.placement.url.username)

    def shares_database_with(self, other: "Party") -> bool:
        """Return True if both tenants are in one database."""
        return self.placement.bind_key == other.placement.bind_key


@dataclass(frozen=True)
class Target(Party):
    """A tenant with a canary."""

    canary_id: UUID
    word: str
    """The canary's random word. An attempt that returns it has read the canary."""

    def held(self, path: str, attacker: Party | None, wall: str) -> Attempt:
        """Return the attempt that a wall stopped."""
        return self._attempt(path, attacker, Outcome.HELD, wall)

    def limit(self, path: str, attacker: Party, reason: str) -> Attempt:
        """Return the attempt that succeeded as documented."""
        return self._attempt(path, attacker, Outcome.LIMIT, reason)

    def breached(self, path: str, attacker: Party | None, what: str, remedy: str) -> Attempt:
        """Return the attempt that breached the wall."""
        return self._attempt(path, attacker, Outcome.BREACHED, what, remedy)

    def inconclusive(self, path: str, attacker: Party | None, reason: str) -> Attempt:
        """Return the attempt that failed for another reason than a wall."""
        remedy = "Fix the cause, and run `flask tenants prove` again."
        return self._attempt(path, attacker, Outcome.INCONCLUSIVE, reason, remedy)

    def not_applicable(self, path: str, attacker: Party | None, reason: str) -> Attempt:
        """Return the attempt that was not made."""
        return self._attempt(path, attacker, Outcome.NOT_APPLICABLE, reason)

    def _attempt(
        self,
        path: str,
        attacker: Party | None,
        outcome: Outcome,
        wall: str,
        remedy: str | None = None,
    ) -> Attempt:
        name = attacker.slug if attacker else None
        return Attempt(self.slug, name, path, outcome, wall, remedy)
