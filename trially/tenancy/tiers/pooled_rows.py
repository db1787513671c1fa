"""The tier of pooled rows: many tenants share tables under row-level security."""

from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.model import TenantModel
from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.schema.append_only import REMOVED_TENANT
from trially.tenancy.schema.guard import grant_guard_sql, register_tenant_sql
from trially.tenancy.schema.templates import TENANT_SCHEMA
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.limits import Limit
from trially.tenancy.tiers.shared_databases import (
    as_owner_of,
    choose_database,
    database_with_room,
    ensure_database,
    evict_tenant_sql,
    existing_databases,
    grant_as_owner,
    has_database,
    shared_placement,
    write_state,
)
from trially.tenancy.tiers.tenant_tables import grant_rows_sql, row_security_sql


class PooledRows:
    """For thousands of small tenants. Its walls are the policies, and a role that they bind.

    All tenants share the login role, and the policies trust the tenant id that is set in the
    transaction. So they do not hold against injected SQL that sets another tenant's id.
    """

    tier = Tier.POOLED_ROWS
    is_offered_by_plans = True
    can_move = True
    shares_database = True
    shares_tables = True
    switches_roles = False
    has_row_security = True
    has_tenant_check = False
    blank_schema: str | None = None
    limits = frozenset({Limit.SET_TENANT_ID})
    walls = (
        "each table has FORCE ROW LEVEL SECURITY and tenant_rows as its only policy, and the login"
        " role has no privileges except to read and write rows"
    )

    def allocate(self, session: Session, server: Server, tenant_id: UUID) -> PlacementRecord:
        """Return an unsaved placement in a database with room."""
        database = choose_database(
            session, server, self.tier, tenant_id, max_tenants=current_settings().tenants_per_pool
        )
        return PlacementRecord(
            tier=self.tier, database=database, schema=TENANT_SCHEMA, role=database
        )

    def find_database(self, session: Session, server: Server, tenant_id: UUID) -> str | None:
        """Return the shared database with room for the tenant's rows, if there is one."""
        most = current_settings().tenants_per_pool
        return database_with_room(session, server, self.tier, tenant_id, max_tenants=most)

    def is_ready(self, record: PlacementRecord) -> bool:
        """Return True if this process has found the shared database to exist."""
        return record.database in existing_databases()

    def create_role(self, record: PlacementRecord, _template: str | None = None) -> None:
        """Do nothing: all tenants of a database share its login role."""

    def create_storage(self, record: PlacementRecord, template: str | None = None) -> None:
        """Create the shared database unless it exists."""
        ensure_database(
            server_access(record.server.name),
            record.database,
            lambda owned: execute(owned, self.post_migration_sql(record)),
            template,
        )

    def grant_access(self, record: PlacementRecord) -> str | None:
        """Register the tenant with the guard, and return the revision of the shared tables."""
        return grant_as_owner(record, register_tenant_sql(record.tenant_id, record.epoch))

    def post_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Return SQL for the login role's grants and forced row-level security."""
        return (
            grant_rows_sql(record.schema, record.role)
            + row_security_sql(record.schema)
            + grant_guard_sql(record.role)
        )

    def compose_blank_schema(self, _owned: connection, _login_role: str) -> None:
        """Do nothing: tenants share the tables."""

    def remove(self, record: PlacementRecord) -> None:
        """Delete the tenant's rows."""
        if not has_database(record):
            return
        tenant_id = sql.Literal(str(record.tenant_id))
        rows = [
            sql.SQL("DELETE FROM {}.{} WHERE tenant_id = {};").format(
                sql.Identifier(record.schema), sql.Identifier(table.name), tenant_id
            )
            for table in reversed(TenantModel.metadata.sorted_tables)
        ]
        set_tenant = sql.SQL(
            "SELECT set_config('trially.tenant_id', {tenant}, true),"
            f" set_config('{REMOVED_TENANT}', {{tenant}}, true);"
        ).format(tenant=tenant_id)
        as_owner_of(record, evict_tenant_sql(record), set_tenant, *rows)

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the database's own copy of the placement."""
        write_state(record, is_suspended=is_suspended)

    def roles(self, record: PlacementRecord) -> frozenset[str]:
        """Return the login role of the shared database."""
        return frozenset({record.role})

    def placement(self, record: PlacementRecord) -> Placement:
        """Return the placement as request handling needs it."""
        return shared_placement(record)
