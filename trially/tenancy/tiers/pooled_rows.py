"""Rows in tables that many tenants share, under row-level security."""

from psycopg2 import sql
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.model import TenantModel
from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Server, Tier
from trially.tenancy.schema.guard import grant_guard_sql, register_tenant_sql
from trially.tenancy.schema.templates import TENANT_SCHEMA
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.shared_databases import (
    as_owner_of,
    choose_database,
    databases_seen,
    evict_tenant_sql,
    is_made,
    see_database,
    shared_placement,
    write_state,
)
from trially.tenancy.tiers.tenant_tables import grant_rows_sql, row_security_sql


class PooledRows:
    """For thousands of small tenants: the wall is the policies, and a role that they bind.

    The policies believe the transaction's setting, so against injected SQL they are no wall: the
    login role is every tenant's.
    """

    tier = Tier.POOLED_ROWS

    def allocate(self, session: Session, server: Server) -> PlacementRecord:
        """Return an unsaved placement in a database with room."""
        most = current_settings().tenants_per_pool
        database = choose_database(session, server, self.tier, most)
        return PlacementRecord(
            tier=self.tier, database=database, schema=TENANT_SCHEMA, role=database
        )

    def is_ready(self, record: PlacementRecord) -> bool:
        """Tell whether the shared tables have been seen to be there."""
        return record.database in databases_seen()

    def create_role(self, record: PlacementRecord) -> None:
        """Make nothing: the login role is the database's."""

    def create_storage(self, record: PlacementRecord) -> None:
        """See that the shared tables are there."""
        see_database(
            server_access(record.server.name),
            record.database,
            lambda owned: execute(owned, self.post_migration_sql(record)),
        )

    def grant_access(self, record: PlacementRecord) -> None:
        """Let the guard know the tenant."""
        as_owner_of(record, register_tenant_sql(record.tenant_id, record.epoch))

    def pre_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Compose what has the policies bind everyone but the owner."""
        return row_security_sql(record.schema, is_owner_bound=False)

    def post_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Compose the login role's grants, and what has the policies bind everyone."""
        return (
            grant_rows_sql(record.schema, record.role)
            + row_security_sql(record.schema)
            + grant_guard_sql(record.role)
        )

    def remove(self, record: PlacementRecord) -> None:
        """Delete the tenant's rows."""
        if not is_made(record):
            return
        tenant_id = sql.Literal(str(record.tenant_id))
        rows = [
            sql.SQL("DELETE FROM {}.{} WHERE tenant_id = {};").format(
                sql.Identifier(record.schema), sql.Identifier(table.name), tenant_id
            )
            for table in reversed(TenantModel.metadata.sorted_tables)
        ]
        entering = sql.SQL("SELECT set_config('trially.tenant_id', {}, true);").format(tenant_id)
        as_owner_of(record, evict_tenant_sql(record), entering, *rows)

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the database's own copy."""
        write_state(record, is_suspended=is_suspended)

    def placement(self, record: PlacementRecord) -> Placement:
        """Return what the run time needs."""
        return shared_placement(record)
