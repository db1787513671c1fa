"""A schema of the tenant's own in a database that many tenants share."""

from psycopg2 import sql
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.placement import Placement
from trially.tenancy.catalog import PlacementRecord, Server, Tier
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.guard import register_tenant_sql, revoke_guard_sql
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.blank_schema import schema_copy_sql, set_blank_schema
from trially.tenancy.tiers.roles import create_nologin_role
from trially.tenancy.tiers.shared_databases import (
    as_owner_of,
    choose_database,
    evict_tenant_sql,
    is_made,
    see_database,
    shared_placement,
    write_state,
)
from trially.tenancy.tiers.tenant_tables import single_tenant_sql


class OwnSchema:
    """For mid-size tenants: the wall is a role that reaches its own schema only.

    The login role may become any of these roles, so against injected SQL that sets a role they are
    no wall.
    """

    tier = Tier.OWN_SCHEMA

    def allocate(self, session: Session, server: Server) -> PlacementRecord:
        """Return an unsaved placement, with new opaque names, in a database with room."""
        name, most = opaque_name(), current_settings().schemas_per_database
        database = choose_database(session, server, self.tier, most)
        return PlacementRecord(tier=self.tier, database=database, schema=name, role=name)

    def is_ready(self, _record: PlacementRecord) -> bool:
        """Tell that there is none before it is made."""
        return False

    def create_role(self, record: PlacementRecord) -> None:
        """Make the tenant's role, which may not log in, and let the login role become it."""
        access = server_access(record.server.name)
        see_database(
            access, record.database, lambda owned: set_blank_schema(owned, record.database)
        )
        create_nologin_role(access, record.role, record.database)

    def create_storage(self, record: PlacementRecord) -> None:
        """Copy the blank schema, whole or not at all, with every table held to this tenant."""
        with server_access(record.server.name).administer(record.database, is_kept=True) as raw:
            copying = schema_copy_sql(raw, record.schema, record.tenant_id)
        if copying is not None:
            as_owner_of(record, copying)

    def grant_access(self, record: PlacementRecord) -> None:
        """Grant the role its tables' rows, and hold every table to this tenant's id."""
        as_owner_of(
            record,
            self.post_migration_sql(record),
            register_tenant_sql(record.tenant_id, record.epoch),
        )

    def pre_migration_sql(self, _record: PlacementRecord) -> None:
        """Compose nothing: no policy is switched on."""

    def post_migration_sql(self, record: PlacementRecord) -> sql.Composable:
        """Compose the role's grants and the CHECKs."""
        return single_tenant_sql(record)

    def remove(self, record: PlacementRecord) -> None:
        """Drop the schema and the role."""
        if is_made(record):
            drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE;").format(
                sql.Identifier(record.schema)
            )
            as_owner_of(record, evict_tenant_sql(record), drop, revoke_guard_sql(record.role))
            _drop_what_it_owns(record)
        with server_access(record.server.name).administer() as raw:
            execute(raw, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(record.role)))

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the database's own copy."""
        write_state(record, is_suspended=is_suspended)

    def placement(self, record: PlacementRecord) -> Placement:
        """Return what the run time needs."""
        return shared_placement(record, role=record.role)


def _drop_what_it_owns(record: PlacementRecord) -> None:
    """Drop what every role may make, large objects: as their owner it could not be dropped."""
    owned = (
        "SELECT 1 FROM pg_shdepend WHERE refobjid = (SELECT oid FROM pg_roles WHERE rolname = %s)"
        " AND refclassid = 'pg_authid'::regclass AND deptype = 'o'"
    )
    with server_access(record.server.name).administer(record.database, is_kept=True) as raw:
        if execute(raw, owned, record.role):
            dropping = sql.SQL("GRANT {role} TO CURRENT_USER; DROP OWNED BY {role}")
            execute(raw, dropping.format(role=sql.Identifier(record.role)))
