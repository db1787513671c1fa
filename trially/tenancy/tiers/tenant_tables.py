"""What the tables of a placement have besides their columns: grants, CHECKs, row security."""

from uuid import UUID

from psycopg2 import sql

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.schema.guard import grant_guard_sql

HOLDING_CHECK = "ck_this_tenant"
"""Name of the CHECK that holds a table to the one tenant whose it is."""

_CHANGE_EACH = """
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
    """Compose what lets a role read and write the rows of a schema's tables, and nothing more.

    TRUNCATE, REFERENCES and TRIGGER would go past row security.
    """
    return sql.SQL(
        "GRANT USAGE ON SCHEMA {schema} TO {role};"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};"
        "REVOKE ALL ON {schema}.alembic_version FROM {role};"
    ).format(schema=sql.Identifier(schema), role=sql.Identifier(role))


def tenant_check_sql(schema: str, tenant_id: UUID) -> sql.Composed:
    """Compose the CHECKs that no row of another tenant passes, on tables that have none yet."""
    check = sql.Literal(HOLDING_CHECK)
    return sql.SQL(_CHANGE_EACH).format(
        schema=sql.Literal(schema),
        condition=sql.SQL(
            "NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = attrelid AND conname = {})"
        ).format(check),
        change=sql.SQL("format('ADD CONSTRAINT %I CHECK (tenant_id = %L)', {}, {})").format(
            check, sql.Literal(str(tenant_id))
        ),
    )


def row_security_sql(schema: str, *, is_owner_bound: bool = True) -> sql.Composed:
    """Compose what switches the policies of a schema's tables on, for their owner too or not.

    A migration's changes of rows are the owner's, who without a tenant would change none.
    """
    force = "FORCE" if is_owner_bound else "NO FORCE"
    return sql.SQL(_CHANGE_EACH).format(
        schema=sql.Literal(schema),
        condition=sql.SQL("true"),
        change=sql.Literal(f"ENABLE ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY"),
    )


def single_tenant_sql(record: PlacementRecord) -> sql.Composed:
    """Compose what tables have that are one tenant's alone: grants to its role, and CHECKs."""
    return (
        grant_rows_sql(record.schema, record.role)
        + tenant_check_sql(record.schema, record.tenant_id)
        + grant_guard_sql(record.role)
    )
