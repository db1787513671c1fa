"""The tier of own schemas: each tenant has a schema in a database that many tenants share."""

from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.guard import register_tenant_sql, revoke_guard_sql
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.blank_schema import (
    BLANK_SCHEMA,
    create_blank_schema,
    schema_copy_sql,
    store_blueprint,
)
from trially.tenancy.tiers.limits import Limit
from trially.tenancy.tiers.roles import create_nologin_role
from trially.tenancy.tiers.shared_databases import (
    as_owner_of,
    choose_database,
    database_with_room,
    ensure_database,
    evict_tenant_sql,
    grant_as_owner,
    has_database,
    shared_placement,
    write_state,
)
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK, single_tenant_sql


class OwnSchema:
    """For mid-size tenants. Its wall is a role that has USAGE on the tenant's own schema only.

    The login role is a member of every tenant's role. So this wall does not hold against injected
    SQL that sets another role.
    """

    tier = Tier.OWN_SCHEMA
    is_offered_by_plans = True
    can_move = True
    shares_database = True
    shares_tables = False
    switches_roles = True
    has_row_security = False
    has_tenant_check = True
    blank_schema: str | None = BLANK_SCHEMA
    limits = frozenset({Limit.SET_ROLE})
    walls = (
        f"each table has its CHECK {TENANT_CHECK}, only a schema's own role has USAGE on it,"
        " and only the login role is a member of that role"
    )

    def allocate(self, session: Session, server: Server, tenant_id: UUID) -> PlacementRecord:
        """Return an unsaved placement, with new opaque names, in a database with room."""
        name = opaque_name()
        database = choose_database(
            session,
            server,
            self.tier,
            tenant_id,
            max_tenants=current_settings().schemas_per_database,
        )
        return PlacementRecord(tier=self.tier, database=database, schema=name, role=name)

    def find_database(self, session: Session, server: Server, tenant_id: UUID) -> str | None:
        """Return the shared database with room for a schema, if there is one."""
        most = current_settings().schemas_per_database
        return database_with_room(session, server, self.tier, tenant_id, max_tenants=most)

    def is_ready(self, _record: PlacementRecord) -> bool:
        """Return False: each tenant has a role and a schema of its own."""
        return False

    def create_role(self, record: PlacementRecord, template: str | None = None) -> None:
        """Create the tenant's role without LOGIN, and make the login role a member of it."""
        access = server_access(record.server.name)
        ensure_database(
            access,
            record.database,
            lambda owned: create_blank_schema(owned, record.database),
            template,
        )
        create_nologin_role(access, record.role, record.database)

    def create_storage(self, record: PlacementRecord, _template: str | None = None) -> None:
        """Copy the blank schema in one transaction, with a CHECK of this tenant on every table."""
        with server_access(record.server.name).administer(record.database, is_kept=True) as raw:
            copy_sql = schema_copy_sql(raw, record.schema, record.tenant_id)
        if copy_sql is not None:
            as_owner_of(record, copy_sql)

    def grant_access(self, record: PlacementRecord) -> str | None:
        """Grant the role its tables, add the CHECKs, and register the tenant with the guard.

        Returns the revision of the tables.
        """
        return grant_as_owner(
            record,
            self.post_migration_sql(record),
            register_tenant_sql(record.tenant_id, record.epoch),
        )

    def post_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Return SQL for the role's grants and the CHECKs."""
        return single_tenant_sql(record)

    def compose_blank_schema(self, owned: connection, login_role: str) -> None:
        """Store the DDL that copies the blank schema, and grant the guard to the login role."""
        store_blueprint(owned, login_role)

    def remove(self, record: PlacementRecord) -> None:
        """Drop the schema and the role."""
        if has_database(record):
            drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE;").format(
                sql.Identifier(record.schema)
            )
            as_owner_of(record, evict_tenant_sql(record), drop, revoke_guard_sql(record.role))
            _drop_owned_objects(record)
        with server_access(record.server.name).administer() as raw:
            execute(raw, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(record.role)))

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the database's own copy of the placement."""
        write_state(record, is_suspended=is_suspended)

    def roles(self, record: PlacementRecord) -> frozenset[str]:
        """Return the tenant's role and the login role of its database."""
        return frozenset({record.role, record.database})

    def placement(self, record: PlacementRecord) -> Placement:
        """Return the placement as request handling needs it."""
        return shared_placement(record, role=record.role)


def _drop_owned_objects(record: PlacementRecord) -> None:
    """Drop the role's large objects, because a role that owns an object cannot be dropped.

    Large objects are the only objects that every role may create.
    """
    owned = (
        "SELECT 1 FROM pg_shdepend WHERE refobjid = (SELECT oid FROM pg_roles WHERE rolname = %s)"
        " AND refclassid = 'pg_authid'::regclass AND deptype = 'o'"
    )
    with server_access(record.server.name).administer(record.database, is_kept=True) as raw:
        if execute(raw, owned, record.role):
            drop = sql.SQL("GRANT {role} TO CURRENT_USER; DROP OWNED BY {role}")
            execute(raw, drop.format(role=sql.Identifier(record.role)))
