"""The blank schema, which new tenants' schemas are copies of.

Each shared database of the tier `own_schema` has one, at the revision of its tenants. The DDL of a
copy is composed from PostgreSQL's catalogs once per revision, and stored in `trially.blueprint`. It
keeps the names of constraints and indexes, so that migrations find them by the same names in every
tier.
"""

from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.schema.guard import grant_guard_sql
from trially.tenancy.schema.templates import TENANT_SCHEMA
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

BLANK_SCHEMA = "blank"

_PLACEHOLDER_ID = UUID(int=0)
"""Placeholder for the tenant's id in the stored DDL."""

# While the blank schema is first in search_path, PostgreSQL prints names of its objects without a
# schema. Run with the copy first in search_path, the same DDL creates the copy's objects.
# pg_get_indexdef always prints the schema of the table, so it is removed.
_COMPOSE = rf"""
SET LOCAL search_path = {BLANK_SCHEMA};
CREATE TABLE IF NOT EXISTS trially.blueprint (ddl text NOT NULL);
DELETE FROM trially.blueprint;
WITH tables AS (
    SELECT oid, relname, relkind, relispartition, relpartbound, reloptions FROM pg_class
    WHERE relnamespace = '{BLANK_SCHEMA}'::regnamespace AND relkind IN ('r', 'p')
), statements (place, statement) AS (
    SELECT 1, replace(pg_get_functiondef(oid), '{BLANK_SCHEMA}.', '')
    FROM pg_proc WHERE pronamespace = '{BLANK_SCHEMA}'::regnamespace
    UNION ALL
    SELECT 2, format(
        'CREATE TABLE %I (LIKE {BLANK_SCHEMA}.%I INCLUDING ALL EXCLUDING INDEXES%s%s)%s%s',
        relname, relname,
        (SELECT string_agg(
            format(', CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), '' ORDER BY conname)
         FROM pg_constraint WHERE conrelid = tables.oid AND contype IN ('p', 'u')),
        (SELECT format(', CONSTRAINT {TENANT_CHECK} CHECK (tenant_id = %L)', '{_PLACEHOLDER_ID}')
         FROM pg_attribute WHERE attrelid = tables.oid AND attname = 'tenant_id'),
        CASE relkind WHEN 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(oid) END,
        ' WITH (' || array_to_string(reloptions, ', ') || ')'
    )
    FROM tables WHERE NOT relispartition
    UNION ALL
    SELECT 3, format('CREATE TABLE %I PARTITION OF %I %s', tables.relname, parent.relname,
        pg_get_expr(tables.relpartbound, tables.oid))
    FROM tables JOIN pg_inherits ON inhrelid = tables.oid
    JOIN pg_class parent ON parent.oid = inhparent
    UNION ALL
    SELECT 4, regexp_replace(pg_get_indexdef(indexrelid), ' ON (ONLY )?{BLANK_SCHEMA}\.', ' ON ')
    FROM pg_index JOIN tables ON tables.oid = indrelid
    WHERE NOT relispartition
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    UNION ALL
    SELECT 5, format('ALTER TABLE %I %s', relname, string_agg(
        format('ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(pg_constraint.oid)), ', '
        ORDER BY conname))
    FROM pg_constraint JOIN tables ON tables.oid = conrelid
    WHERE contype = 'f' AND NOT relispartition GROUP BY relname
    UNION ALL
    SELECT 6, pg_get_triggerdef(pg_trigger.oid, true)
    FROM pg_trigger JOIN tables ON tables.oid = tgrelid WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL
    SELECT 7, format('CREATE POLICY %I ON %I TO PUBLIC USING (%s) WITH CHECK (%s)', polname,
        relname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    FROM pg_policy JOIN tables ON tables.oid = polrelid
    UNION ALL
    SELECT 8, 'INSERT INTO alembic_version SELECT * FROM {BLANK_SCHEMA}.alembic_version'
)
INSERT INTO trially.blueprint SELECT string_agg(statement, E';\n' ORDER BY place) FROM statements
"""


def create_blank_schema(owned: connection, login_role: str) -> None:
    """Turn the tables of a new database into the blank schema."""
    execute(owned, f"ALTER SCHEMA {TENANT_SCHEMA} RENAME TO {BLANK_SCHEMA}")
    store_blueprint(owned, login_role)


def store_blueprint(owned: connection, login_role: str) -> None:
    """Store the DDL that copies the blank schema, and grant the guard to the login role.

    Must run in a transaction of the owner, because it sets search_path locally.
    """
    execute(owned, _COMPOSE)
    execute(owned, grant_guard_sql(login_role))


def schema_copy_sql(raw: connection, schema: str, tenant_id: UUID) -> sql.Composable | None:
    """Return the DDL of one tenant's schema, to be run as the owner; None if the schema exists."""
    rows = execute(
        raw,
        "SELECT ddl FROM trially.blueprint"
        " WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)",
        schema,
    )
    if not rows:
        return None
    ((ddl,),) = rows
    return sql.SQL(
        "CREATE SCHEMA {schema}; SET LOCAL search_path = {schema};{tables};"
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;"
    ).format(
        schema=sql.Identifier(schema),
        tables=sql.SQL(ddl.replace(str(_PLACEHOLDER_ID), str(tenant_id))),
    )
