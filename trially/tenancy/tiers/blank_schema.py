"""The schema that new tenants' schemas are copies of.

Each database of schemas has one, at the revision of its tenants. What makes a copy is composed from
PostgreSQL's catalogs once, and kept: names and all, so that a migration finds every constraint and
index by the name it has anywhere else.
"""

from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.schema.guard import grant_guard_sql
from trially.tenancy.schema.templates import TENANT_SCHEMA
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.tenant_tables import HOLDING_CHECK

BLANK_SCHEMA = "blank"

_NOBODY = UUID(int=0)
"""Stands for the tenant in what is kept."""

# With the blank schema first in search_path, its names are written without it, and so mean the
# copy's when that is first. An index's table is always written with its schema.
_COMPOSE = f"""
SET LOCAL search_path = {BLANK_SCHEMA};
CREATE TABLE IF NOT EXISTS trially.blueprint (ddl text NOT NULL);
DELETE FROM trially.blueprint;
WITH tables AS (
    SELECT oid, relname FROM pg_class
    WHERE relnamespace = '{BLANK_SCHEMA}'::regnamespace AND relkind = 'r'
), statements (place, statement) AS (
    SELECT 1, replace(pg_get_functiondef(oid), '{BLANK_SCHEMA}.', '')
    FROM pg_proc WHERE pronamespace = '{BLANK_SCHEMA}'::regnamespace
    UNION ALL
    SELECT 2, format(
        'CREATE TABLE %I (LIKE {BLANK_SCHEMA}.%I INCLUDING ALL EXCLUDING INDEXES%s%s)',
        relname, relname,
        (SELECT string_agg(format(', CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), '')
         FROM pg_constraint WHERE conrelid = tables.oid AND contype IN ('p', 'u')),
        (SELECT format(', CONSTRAINT {HOLDING_CHECK} CHECK (tenant_id = %L)', '{_NOBODY}')
         FROM pg_attribute WHERE attrelid = tables.oid AND attname = 'tenant_id')
    )
    FROM tables
    UNION ALL
    SELECT 3, replace(pg_get_indexdef(indexrelid), ' ON {BLANK_SCHEMA}.', ' ON ')
    FROM pg_index JOIN tables ON tables.oid = indrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    UNION ALL
    SELECT 4, format('ALTER TABLE %I %s', relname, string_agg(
        format('ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(pg_constraint.oid)), ', '))
    FROM pg_constraint JOIN tables ON tables.oid = conrelid
    WHERE contype = 'f' GROUP BY relname
    UNION ALL
    SELECT 5, pg_get_triggerdef(pg_trigger.oid, true)
    FROM pg_trigger JOIN tables ON tables.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT 6, format('CREATE POLICY %I ON %I TO PUBLIC USING (%s) WITH CHECK (%s)', polname,
        relname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    FROM pg_policy JOIN tables ON tables.oid = polrelid
    UNION ALL
    SELECT 7, 'INSERT INTO alembic_version SELECT * FROM {BLANK_SCHEMA}.alembic_version'
)
INSERT INTO trially.blueprint SELECT string_agg(statement, E';\\n' ORDER BY place) FROM statements
"""


def set_blank_schema(owned: connection, login_role: str) -> None:
    """Make the tables of a new database the blank ones, to be copied and not to be used."""
    execute(owned, f"ALTER SCHEMA {TENANT_SCHEMA} RENAME TO {BLANK_SCHEMA}")
    keep_blank_schema(owned, login_role)


def keep_blank_schema(owned: connection, login_role: str) -> None:
    """Compose what makes a copy, and let the login role in. In a transaction, as the owner."""
    execute(owned, _COMPOSE)
    execute(owned, grant_guard_sql(login_role))


def schema_copy_sql(raw: connection, schema: str, tenant_id: UUID) -> sql.Composable | None:
    """Compose what makes a schema of one tenant, to be run as the owner; None if it is there."""
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
        tables=sql.SQL(ddl.replace(str(_NOBODY), str(tenant_id))),
    )
