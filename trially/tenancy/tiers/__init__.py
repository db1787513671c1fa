"""The kinds of placement: one Protocol, one implementation per kind."""

from collections.abc import Mapping
from typing import Protocol

from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Tier
from trially.tenancy.tiers.dedicated_database import DedicatedDatabase


class PlacementTier(Protocol):
    """How one kind of placement is made, used, closed and removed.

    Everything here may be done twice: an operation that was killed does its last step again.
    """

    tier: Tier

    def new_record(self) -> PlacementRecord:
        """Return an unsaved placement with new opaque names."""

    def make_role(self, record: PlacementRecord) -> None:
        """Make the role that the tenant's transactions run as."""

    def make_space(self, record: PlacementRecord) -> None:
        """Make the database, schema or rows that will hold the tenant, closed to others."""

    def dress_space(self, record: PlacementRecord) -> None:
        """Grant, constrain and enable the guard, for tables as they are at this revision."""

    def remove(self, record: PlacementRecord) -> None:
        """Remove the tenant's rows and its role."""

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the placement's own copy."""

    def placement(self, record: PlacementRecord) -> Placement:
        """Return what the run time needs."""


TIERS: Mapping[Tier, PlacementTier] = {Tier.DEDICATED_DATABASE: DedicatedDatabase()}


def tier_of(record: PlacementRecord) -> PlacementTier:
    """Return the implementation of a placement's tier."""
    return TIERS[Tier(record.tier)]
