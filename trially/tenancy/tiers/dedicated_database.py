"""A database of the tenant's own, which only the tenant's own role may connect to."""

from flask import current_app
from psycopg2 import errors, sql

from trially.config import current_settings
from trially.database.placement import Placement
from trially.database.session import engine_registry
from trially.tenancy.catalog import PlacementRecord, Tier
from trially.tenancy.guard import admission, record_placement
from trially.tenancy.installing import owner_role
from trially.tenancy.names import opaque_name
from trially.tenancy.scram import scram_verifier
from trially.tenancy.servers import execute, server_access
from trially.tenancy.templates import TENANT_SCHEMA, drop_database, template_database

_CONSTRAIN_TENANT = """
DO $do$
DECLARE
    tenant_table regclass;
BEGIN
    FOR tenant_table IN
        SELECT attrelid::regclass FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = {schema_name}::regnamespace AND relkind IN ('r', 'p')
        AND attname = 'tenant_id' AND NOT EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = attrelid AND conname = 'ck_this_tenant'
        )
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ADD CONSTRAINT ck_this_tenant CHECK (tenant_id = %L)',
            tenant_table, {tenant_id}
        );
    END LOOP;
END
$do$
"""


class DedicatedDatabase:
    """The default tier: the wall is the login role and CONNECT."""

    tier = Tier.DEDICATED_DATABASE

    def new_record(self) -> PlacementRecord:
        """Return an unsaved placement with new opaque names."""
        name = opaque_name()
        return PlacementRecord(tier=self.tier, database=name, schema=TENANT_SCHEMA, role=name)

    def make_role(self, record: PlacementRecord) -> None:
        """Make the tenant's login role. It owns nothing and may make nothing."""
        settings, access = current_settings(), server_access(record.server.name)
        names = {
            "role": sql.Identifier(record.role),
            "verifier": sql.Literal(scram_verifier(access.role_password(record.role))),
            "connections": sql.Literal(settings.connections_per_tenant),
            "schema": sql.Identifier(record.schema),
            "statement_timeout": sql.Literal(settings.statement_timeout_ms),
        }
        with access.administer() as raw:
            try:
                execute(
                    raw,
                    sql.SQL(
                        "BEGIN; SET LOCAL synchronous_commit = off;"
                        "CREATE ROLE {role} LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB"
                        " NOCREATEROLE NOREPLICATION CONNECTION LIMIT {connections}"
                        " PASSWORD {verifier};"
                        "ALTER ROLE {role} SET search_path = {schema}, pg_temp;"
                        "ALTER ROLE {role} SET statement_timeout = {statement_timeout};"
                        "ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';"
                        "COMMIT"
                    ).format(**names),
                )
            except (errors.DuplicateObject, errors.UniqueViolation):
                execute(raw, "ROLLBACK")
                execute(raw, sql.SQL("ALTER ROLE {role} PASSWORD {verifier}").format(**names))

    def make_space(self, record: PlacementRecord) -> None:
        """Clone the template, and let no one in but the tenant's role.

        A clone does not inherit its template's privileges: everyone may connect to it until it is
        told otherwise. Until then it has no rows, and nobody but its owner may read its tables.
        """
        access = server_access(record.server.name)
        template = template_database(access)
        names = {
            "database": sql.Identifier(record.database),
            "role": sql.Identifier(record.role),
            "owner": sql.Identifier(owner_role(current_settings())),
            "template": sql.Identifier(template),
        }
        with access.administer() as raw:
            try:
                execute(
                    raw,
                    sql.SQL(
                        "CREATE DATABASE {database} OWNER {owner} TEMPLATE {template}"
                        " STRATEGY wal_log"
                    ).format(**names),
                )
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                current_app.logger.info("The database is there already.")
            execute(
                raw,
                # What dresses the database is flushed, and this with it.
                sql.SQL(
                    "BEGIN; SET LOCAL synchronous_commit = off;"
                    "REVOKE ALL ON DATABASE {database} FROM PUBLIC;"
                    "GRANT CONNECT ON DATABASE {database} TO {role};"
                    "COMMIT"
                ).format(**names),
            )

    def dress_space(self, record: PlacementRecord) -> None:
        """Grant the role its tables' rows, and hold every table to this tenant's id."""
        access = server_access(record.server.name)
        names = {
            "owner": sql.Identifier(owner_role(current_settings())),
            "role": sql.Identifier(record.role),
            "schema": sql.Identifier(record.schema),
            "schema_name": sql.Literal(record.schema),
            "tenant_id": sql.Literal(str(record.tenant_id)),
        }
        with access.administer(record.database) as raw:
            execute(
                raw,
                sql.SQL(
                    "SET ROLE {owner};"
                    "GRANT USAGE ON SCHEMA {schema} TO {role};"
                    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema}"
                    " TO {role};"
                    "REVOKE ALL ON {schema}.alembic_version FROM {role};" + _CONSTRAIN_TENANT + ";"
                ).format(**names)
                + admission(record.role, record.tenant_id, record.epoch),
            )

    def remove(self, record: PlacementRecord) -> None:
        """Drop the database and the role."""
        engine_registry().forget(self._bind_key(record))
        with server_access(record.server.name).administer() as raw:
            drop_database(raw, record.database)
            execute(raw, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(record.role)))

    def record_state(self, record: PlacementRecord, *, is_suspended: bool) -> None:
        """Write the epoch and state into the database's own copy."""
        with server_access(record.server.name).administer(record.database) as raw:
            record_placement(raw, record.tenant_id, record.epoch, is_suspended=is_suspended)

    def placement(self, record: PlacementRecord) -> Placement:
        """Return what the run time needs."""
        return Placement(
            tenant_id=record.tenant_id,
            bind_key=self._bind_key(record),
            schema=record.schema,
            epoch=record.epoch,
            url=server_access(record.server.name).role_url(record.role, record.database),
        )

    def _bind_key(self, record: PlacementRecord) -> str:
        return f"{record.server.name}/{record.database}"
