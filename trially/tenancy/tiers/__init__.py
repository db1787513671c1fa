"""The tiers: one Protocol, and one implementation for each kind of placement.

To add a tier, add a member to `Tier`, a file with its class here, and an entry in `TIERS`.
"""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy.orm import Session

from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.tiers.dedicated_database import DedicatedDatabase
from trially.tenancy.tiers.limits import Limit
from trially.tenancy.tiers.own_schema import OwnSchema
from trially.tenancy.tiers.pooled_rows import PooledRows
from trially.tenancy.tiers.silo import Silo


class PlacementTier(Protocol):
    """How one kind of placement is created, used, suspended, migrated and removed.

    Every method may be called twice, because an operation that was killed repeats its last step.
    """

    tier: Tier

    is_offered_by_plans: bool
    """Whether a plan may place its tenants in this tier."""

    can_move: bool
    """Whether a tenant may move into this tier and out of it."""

    shares_database: bool
    """Whether one database holds several tenants, which then share its login role."""

    shares_tables: bool
    """Whether the tenants of one database share its tables."""

    switches_roles: bool
    """Whether each tenant has a role of its own that the login role switches to."""

    has_row_security: bool
    """Whether row-level security is enabled and forced on every table."""

    has_tenant_check: bool
    """Whether every table has a CHECK that accepts the rows of its one tenant only."""

    blank_schema: str | None
    """Name of the schema that new tenants' schemas are copies of; None if there is none."""

    limits: frozenset[Limit]
    """The attacks that succeed between tenants of one database, as docs/tiers.md documents."""

    walls: str
    """The requirements that isolate a tenant in a database of this tier, as a clause."""

    def allocate(self, session: Session, server: Server, tenant_id: UUID) -> PlacementRecord:
        """Return an unsaved placement on a server, with opaque names.

        It is in a database in which the tenant has no other placement, former ones included.
        """

    def find_database(self, session: Session, server: Server, tenant_id: UUID) -> str | None:
        """Return the shared database that a new placement would be in. Nothing is changed.

        None if the placement would get a database that does not exist yet.
        """

    def is_ready(self, record: PlacementRecord) -> bool:
        """Return True if no role and no storage have to be created: both are shared and exist."""

    def create_role(self, record: PlacementRecord, template: str | None = None) -> None:
        """Create the role that the tenant's transactions run as.

        A new database is a copy of the database `template`, by default of the server's template.
        """

    def create_storage(self, record: PlacementRecord, template: str | None = None) -> None:
        """Create the database, schema or shared tables for the tenant, closed to other roles.

        A new database is a copy of the database `template`, by default of the server's template.
        """

    def grant_access(self, record: PlacementRecord) -> str | None:
        """Grant the tenant's role its tables, and register the tenant with the guard.

        Returns the revision of the tables.
        """

    def post_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Return repeatable SQL for the grants, CHECKs and row security of all tables."""

    def compose_blank_schema(self, owned: connection, login_role: str) -> None:
        """Store the DDL that copies the blank schema, as the owner in a transaction, if any."""

    def remove(self, record: PlacementRecord) -> None:
        """Remove the tenant's rows and its role."""

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the database's own copy of the placement."""

    def roles(self, record: PlacementRecord) -> frozenset[str]:
        """Return the roles that a placement needs on its server."""

    def placement(self, record: PlacementRecord) -> Placement:
        """Return the placement as request handling needs it."""


TIERS: Mapping[Tier, PlacementTier] = {
    tier.tier: tier for tier in (DedicatedDatabase(), OwnSchema(), PooledRows(), Silo())
}

DEFAULT_TIER = DedicatedDatabase.tier
"""The tier of a plan's tenants unless the settings name another one."""

PINNED_TIER = Silo.tier
"""The tier of the one tenant of a pinned instance."""


def tier_of(record: PlacementRecord) -> PlacementTier:
    """Return the implementation of a placement's tier."""
    return TIERS[Tier(record.tier)]
