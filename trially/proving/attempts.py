"""What was tried, by whom, and what came of it."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Tenant, Tier
from trially.tenancy.tiers import tier_of


class Outcome(StrEnum):
    """What came of an attempt."""

    HELD = "held"
    """A wall refused it, or it found nothing."""

    LIMIT = "documented limit"
    """It got through where docs/tiers.md says that it does."""

    THROUGH = "through"
    """It got through where nothing may."""

    UNPROVED = "unproved"
    """It failed for a reason that is no wall."""

    NOT_APPLICABLE = "not applicable"
    """There is nothing of this kind to try here."""


@dataclass(frozen=True)
class Attempt:
    """One way that was tried to reach one tenant as another."""

    tenant: str
    """Slug of the tenant that was to be reached."""

    attacker: str | None
    """Slug of the tenant as which it was tried; None where it was nobody's."""

    path: str
    outcome: Outcome

    wall: str
    """What held; or what was reached, or why it was not tried."""

    remedy: str | None = None
    """What to do about it."""


@dataclass(frozen=True)
class Party:
    """A tenant that is attacked or attacks."""

    tenant: Tenant

    @property
    def slug(self) -> str:
        """The tenant's slug."""
        return self.tenant.slug

    @property
    def record(self) -> PlacementRecord:
        """The catalog's record of where the tenant is."""
        return self.tenant.placement

    @property
    def tier(self) -> Tier:
        """The tenant's tier."""
        return Tier(self.record.tier)

    @cached_property
    def placement(self) -> Placement:
        """Where the tenant is, as the run time needs it."""
        return tier_of(self.record).placement(self.record)

    @property
    def login_role(self) -> str:
        """The role with which the tenant's connections log in."""
        return str(self.placement.url.username)

    def shares_database_with(self, other: "Party") -> bool:
        """Tell whether both are in one database."""
        return self.placement.bind_key == other.placement.bind_key


@dataclass(frozen=True)
class Target(Party):
    """A tenant with a canary in it."""

    canary_id: UUID
    word: str
    """Who knows this word has seen the canary."""

    def held(self, path: str, attacker: Party | None, wall: str) -> Attempt:
        """Return that a wall held."""
        return self._attempt(path, attacker, Outcome.HELD, wall)

    def limit(self, path: str, attacker: Party, reason: str) -> Attempt:
        """Return that something got through where it is said to."""
        return self._attempt(path, attacker, Outcome.LIMIT, reason)

    def reached(self, path: str, attacker: Party | None, what: str, remedy: str) -> Attempt:
        """Return that something got through."""
        return self._attempt(path, attacker, Outcome.THROUGH, what, remedy)

    def unproved(self, path: str, attacker: Party | None, reason: str) -> Attempt:
        """Return that it failed for a reason that is no wall."""
        remedy = "Mend what stood in the way, and prove again."
        return self._attempt(path, attacker, Outcome.UNPROVED, reason, remedy)

    def not_applicable(self, path: str, attacker: Party | None, reason: str) -> Attempt:
        """Return that there was nothing to try."""
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
