"""What the tables of a placement have besides their columns: grants, CHECKs, row security."""

from uuid import UUID

from psycopg2 import sql

HOLDING_CHECK = "ck_this_tenant"
"""Name of the CHECK that holds a table to the one tenant whose it is."""

_HOLD = """
DO $do$
DECLARE
    tenant_table regclass;
BEGIN
    FOR tenant_table IN
        SELECT attrelid::regclass FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = {schema}::regnamespace AND relkind IN ('r', 'p')
        AND attname = 'tenant_id' AND NOT EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = attrelid AND conname = {check}
        )
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ADD CONSTRAINT %I CHECK (tenant_id = %L)',
            tenant_table, {check}, {tenant_id}
        );
    END LOOP;
END
$do$;
"""

_SECURE = """
DO $do$
DECLARE
    tenant_table regclass;
BEGIN
    FOR tenant_table IN
        SELECT attrelid::regclass FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = {schema}::regnamespace AND relkind IN ('r', 'p')
        AND attname = 'tenant_id'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY',
            tenant_table);
    END LOOP;
END
$do$;
"""


def grant_rows(schema: str, role: str) -> sql.Composed:
    """Compose what lets a role read and write the rows of a schema's tables, and nothing more.

    TRUNCATE, REFERENCES and TRIGGER would go past row security.
    """
    return sql.SQL(
        "GRANT USAGE ON SCHEMA {schema} TO {role};"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};"
        "REVOKE ALL ON {schema}.alembic_version FROM {role};"
    ).format(schema=sql.Identifier(schema), role=sql.Identifier(role))


def hold_to_tenant(schema: str, tenant_id: UUID) -> sql.Composed:
    """Compose the CHECKs that no row of another tenant passes, on tables that have none yet."""
    return sql.SQL(_HOLD).format(
        schema=sql.Literal(schema),
        check=sql.Literal(HOLDING_CHECK),
        tenant_id=sql.Literal(str(tenant_id)),
    )


def secure_rows(schema: str, *, is_owner_bound: bool = True) -> sql.Composed:
    """Compose what switches the policies of a schema's tables on, for their owner too or not.

    A migration's changes of rows are the owner's, who without a tenant would change none.
    """
    force = sql.SQL("FORCE" if is_owner_bound else "NO FORCE")
    return sql.SQL(_SECURE).format(schema=sql.Literal(schema), force=force)
