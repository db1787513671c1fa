"""Compose the SQL for the grants, CHECKs and row-level security of a placement's tables."""

from collections.abc import Collection
from uuid import UUID

from psycopg2 import sql

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.schema.append_only import revoke_changes_sql
from trially.tenancy.schema.guard import grant_guard_sql

TENANT_CHECK = "ck_this_tenant"
"""Name of the CHECK that accepts the rows of one tenant only."""

_ALTER_EACH = """
DO $do$
DECLARE
    tenant_table regclass;
BEGIN
    FOR tenant_table IN
        SELECT attrelid::regclass FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = {schema}::regnamespace AND relkind IN ('r', 'p')
        AND attname = 'tenant_id' AND {condition}
    LOOP
        EXECUTE format('ALTER TABLE %s ', tenant_table) || {change};
    END LOOP;
END
$do$;
"""


def grant_rows_sql(schema: str, role: str) -> sql.Composed:
    """Return SQL that grants a role to read and write the rows of a schema's tables.

    TRUNCATE, REFERENCES and TRIGGER are not granted, because row-level security does not bind them.
    Append-only tables cannot be updated, and their rows cannot be deleted.
    """
    return sql.SQL(
        "GRANT USAGE ON SCHEMA {schema} TO {role};"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};"
        "REVOKE ALL ON {schema}.alembic_version FROM {role};"
    ).format(schema=sql.Identifier(schema), role=sql.Identifier(role)) + revoke_changes_sql(
        schema, role
    )


def tenant_check_sql(schema: str, tenant_id: UUID) -> sql.Composed:
    """Return SQL that adds the CHECK of one tenant to each table of a schema that lacks it."""
    check = sql.Literal(TENANT_CHECK)
    return sql.SQL(_ALTER_EACH).format(
        schema=sql.Literal(schema),
        # NOT EXISTS may look for the name first, and each schema of the database has as many.
        condition=sql.SQL(
            "NOT relispartition"
            " AND {} <> ALL (SELECT conname FROM pg_constraint WHERE conrelid = attrelid)"
        ).format(check),
        change=sql.SQL("format('ADD CONSTRAINT %I CHECK (tenant_id = %L)', {}, {})").format(
            check, sql.Literal(str(tenant_id))
        ),
    )


def row_security_sql(schema: str) -> sql.Composed:
    """Return SQL that enables row-level security on a schema's tables, for their owner too.

    It locks only the tables on which that is not so yet.
    """
    return sql.SQL(_ALTER_EACH).format(
        schema=sql.Literal(schema),
        condition=sql.SQL("NOT (relrowsecurity AND relforcerowsecurity)"),
        change=sql.Literal("ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
    )


def exempt_owner_sql(schema: str, tables: Collection[str]) -> sql.Composed:
    """Return SQL that exempts the owner of some tables of a schema from row-level security."""
    return sql.SQL(_ALTER_EACH).format(
        schema=sql.Literal(schema),
        condition=sql.SQL("relforcerowsecurity AND relname = ANY ({})").format(
            sql.Literal(sorted(tables))
        ),
        change=sql.Literal("NO FORCE ROW LEVEL SECURITY"),
    )


def single_tenant_sql(record: PlacementRecord) -> sql.Composed:
    """Return SQL for tables of one tenant: grants to its role, the guard's too, and CHECKs."""
    return (
        grant_rows_sql(record.schema, record.role)
        + tenant_check_sql(record.schema, record.tenant_id)
        + grant_guard_sql(record.role)
    )
