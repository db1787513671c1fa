"""The kinds of placement: one Protocol, one implementation per kind.

A silo's is a dedicated database, made where no other tenant is served.
"""

from collections.abc import Mapping
from typing import Protocol

from psycopg2 import sql
from sqlalchemy.orm import Session

from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Server, Tier
from trially.tenancy.tiers.dedicated_database import DedicatedDatabase
from trially.tenancy.tiers.own_schema import OwnSchema
from trially.tenancy.tiers.pooled_rows import PooledRows
from trially.tenancy.tiers.silo import Silo


class PlacementTier(Protocol):
    """How one kind of placement is made, used, closed and removed.

    Everything here may be done twice: an operation that was killed does its last step again.
    """

    tier: Tier

    def allocate(self, session: Session, server: Server) -> PlacementRecord:
        """Return an unsaved placement on a server, with opaque names."""

    def is_ready(self, record: PlacementRecord) -> bool:
        """Tell whether there is no role and no space to make: they are shared, and there."""

    def create_role(self, record: PlacementRecord) -> None:
        """Make the role that the tenant's transactions run as."""

    def create_storage(self, record: PlacementRecord) -> None:
        """Make the database, schema or rows that will hold the tenant, closed to others."""

    def grant_access(self, record: PlacementRecord) -> None:
        """Let the tenant in, having dressed its tables unless they are shared."""

    def pre_migration_sql(self, record: PlacementRecord) -> sql.Composable | None:
        """Compose what lets the tables' owner change rows, as migrations do, if it may not."""

    def post_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Compose what else the tables have, as they are at this revision, and may be repeated."""

    def remove(self, record: PlacementRecord) -> None:
        """Remove the tenant's rows and its role."""

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the placement's own copy."""

    def placement(self, record: PlacementRecord) -> Placement:
        """Return what the run time needs."""


TIERS: Mapping[Tier, PlacementTier] = {
    tier.tier: tier for tier in (DedicatedDatabase(), OwnSchema(), PooledRows(), Silo())
}


def tier_of(record: PlacementRecord) -> PlacementTier:
    """Return the implementation of a placement's tier."""
    return TIERS[Tier(record.tier)]
