"""The guard: what every tenant transaction asks of its database before anything else.

Each database that holds tenants carries its own copy of their placements, and the function
`trially.enter`, which answers whether the caller's idea of a placement is the current one.
"""

from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.servers.connections import execute

GUARD_SCHEMA = "trially"

GUARD_DDL = f"""
CREATE SCHEMA IF NOT EXISTS trially;

CREATE TABLE IF NOT EXISTS trially.placement (
    tenant_id uuid PRIMARY KEY,
    epoch bigint NOT NULL,
    is_suspended boolean NOT NULL DEFAULT false
);

-- Volatile, the lock first and the epoch second: in one plain statement, or in a stable function,
-- the epoch would come from a snapshot older than the wait for the lock, and a worker that waited
-- through a change of placement would go on writing to the old one. Its names are resolved when it
-- is made, so no caller's search_path can change what it reads.
CREATE OR REPLACE FUNCTION trially.enter(asked uuid, known_epoch bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found trially.placement;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({tenant_lock_key("asked")});
    SELECT * INTO found FROM trially.placement WHERE tenant_id = asked;
    IF found.is_suspended THEN
        RAISE SQLSTATE 'TR002' USING MESSAGE = 'suspended';
    ELSIF found.epoch IS DISTINCT FROM known_epoch THEN
        RAISE SQLSTATE 'TR001' USING MESSAGE = 'stale';
    END IF;
    RETURN 'entered';
END
$function$;

-- Whoever loads many rows asks for statistics at once: until there are some, every index that leads
-- with tenant_id looks as good as any other, for foreign keys too. Only a table's owner may.
-- Tables that are shared may be in somebody else's analysis already.
CREATE OR REPLACE FUNCTION trially.analyze_tables() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tenant_table regclass;
    asking text := coalesce(nullif(current_setting('role'), 'none'), session_user);
BEGIN
    FOR tenant_table IN
        SELECT attrelid::regclass FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attname = 'tenant_id' AND relkind = 'r'
        AND relnamespace <> 'trially'::regnamespace
        AND has_table_privilege(asking, attrelid, 'INSERT')
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', tenant_table);
    END LOOP;
END
$function$;

REVOKE ALL ON FUNCTION trially.enter(uuid, bigint), trially.analyze_tables() FROM PUBLIC;
"""

LOCK_TIMEOUT_SECONDS = 10


def grant_guard_sql(role: str) -> sql.Composed:
    """Compose what lets a role call the guard's functions."""
    return sql.SQL(
        "GRANT USAGE ON SCHEMA trially TO {role};"
        "GRANT EXECUTE ON FUNCTION trially.enter(uuid, bigint), trially.analyze_tables() TO {role};"
    ).format(role=sql.Identifier(role))


def revoke_guard_sql(role: str) -> sql.Composed:
    """Compose what takes from a role, if it is there, all that it was granted in the database."""
    return sql.SQL(
        "DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN"
        " REVOKE ALL ON SCHEMA trially FROM {role};"
        " REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trially FROM {role};"
        " END IF; END $do$;"
    ).format(name=sql.Literal(role), role=sql.Identifier(role))


def register_tenant_sql(tenant_id: UUID, epoch: int) -> sql.Composed:
    """Compose what makes the guard know a tenant, unless it does."""
    return sql.SQL(
        "INSERT INTO trially.placement (tenant_id, epoch) VALUES ({tenant_id}, {epoch})"
        " ON CONFLICT DO NOTHING;"
    ).format(tenant_id=sql.Literal(str(tenant_id)), epoch=sql.Literal(epoch))


def unregister_tenant_sql(tenant_id: UUID) -> sql.Composed:
    """Compose what makes the guard know a tenant no longer."""
    return sql.SQL("DELETE FROM trially.placement WHERE tenant_id = {};").format(
        sql.Literal(str(tenant_id))
    )


def record_placement(raw: connection, tenant_id: UUID, epoch: int, *, is_suspended: bool) -> None:
    """Write the database's own copy of a placement, once no transaction of the tenant is open.

    Each transaction of the tenant holds the lock shared, so none that began before commits after.
    """
    execute(
        raw,
        "BEGIN;"
        f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s';"
        f"SELECT pg_advisory_xact_lock({tenant_lock_key('%s')});"
        "INSERT INTO trially.placement (tenant_id, epoch, is_suspended) VALUES (%s, %s, %s)"
        " ON CONFLICT (tenant_id)"
        " DO UPDATE SET epoch = excluded.epoch, is_suspended = excluded.is_suspended;"
        "COMMIT",
        tenant_id,
        tenant_id,
        epoch,
        is_suspended,
    )
