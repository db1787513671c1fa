"""The guard: the function that every tenant transaction calls before its first statement.

Each database with tenants has its own copy of their placements. `trially.enter` compares the epoch
that the caller has cached with that copy, and refuses a stale epoch or a suspended tenant.
"""

import re
from collections.abc import Mapping
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.servers.connections import execute

GUARD_SCHEMA = "trially"

GUARD_FUNCTIONS = ("trially.analyze_tables()", "trially.enter(uuid, bigint)")
"""The guard's functions, by name, with the types of their arguments."""

GUARD_DDL = f"""
CREATE SCHEMA IF NOT EXISTS trially;

CREATE TABLE IF NOT EXISTS trially.placement (
    tenant_id uuid PRIMARY KEY,
    epoch bigint NOT NULL,
    is_suspended boolean NOT NULL DEFAULT false
);

-- Volatile, and the lock before the epoch. In a stable function, or in a single statement, the
-- epoch would come from a snapshot taken before the wait for the lock. A worker that waited while
-- the placement changed would then write to the old placement.
-- The function sets its own search_path, so the caller's cannot change which table it reads.
CREATE OR REPLACE FUNCTION trially.enter(asked uuid, known_epoch bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    current_placement trially.placement;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({tenant_lock_key("asked")});
    SELECT * INTO current_placement FROM trially.placement WHERE tenant_id = asked;
    IF current_placement.is_suspended THEN
        RAISE SQLSTATE 'TR002' USING MESSAGE = 'suspended';
    ELSIF current_placement.epoch IS DISTINCT FROM known_epoch THEN
        RAISE SQLSTATE 'TR001' USING MESSAGE = 'stale';
    END IF;
    RETURN 'entered';
END
$function$;

-- An import calls this after it has loaded many rows. Without statistics the planner cannot choose
-- between the indexes that lead with tenant_id, and the checks of foreign keys become slow.
-- It runs as the owner of the tables, because ANALYZE needs that. It skips a locked table, because
-- another import may be analyzing the same shared table. It skips a table that has not grown by a
-- fifth since its last ANALYZE: small imports would otherwise sample all large tables each time.
-- In a shared table, a tenant that has come to 1,000 rows since then is a reason too: the planner
-- takes an unknown tenant for one with one row, and then any index looks as good as the right one.
-- When a row was written, its id says: a UUID of version 7.
CREATE OR REPLACE FUNCTION trially.analyze_tables() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tenant_table regclass;
    is_grown boolean;
    analyzed_at timestamptz;
    thousandth text;
    tenant uuid := nullif(current_setting('trially.tenant_id', true), '')::uuid;
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
BEGIN
    FOR tenant_table, is_grown, analyzed_at IN
        SELECT attrelid::regclass, pg_relation_size(attrelid)
                > relpages::bigint * current_setting('block_size')::bigint * 6 / 5,
            greatest(pg_stat_get_last_analyze_time(attrelid),
                pg_stat_get_last_autoanalyze_time(attrelid))
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attname = 'tenant_id' AND relkind = 'r'
        AND relnamespace <> 'trially'::regnamespace
        AND has_table_privilege(caller, attrelid, 'INSERT')
    LOOP
        IF NOT is_grown THEN
            EXECUTE format(
                $$SELECT replace(id::text, '-', '') FROM %s WHERE tenant_id = $1
                ORDER BY id OFFSET 999 LIMIT 1$$, tenant_table
            ) INTO thousandth USING tenant;
            CONTINUE WHEN thousandth IS NULL OR substr(thousandth, 13, 1) <> '7'
                OR to_timestamp(('x' || substr(thousandth, 1, 12))::bit(48)::bigint / 1000.0)
                    <= analyzed_at;
        END IF;
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', tenant_table);
    END LOOP;
END
$function$;

REVOKE ALL ON FUNCTION {", ".join(GUARD_FUNCTIONS)} FROM PUBLIC;
"""

_BODIES = re.compile(
    r"CREATE OR REPLACE FUNCTION trially\.(\w+).*?\$function\$(.*?)\$function\$", re.DOTALL
)

GUARD_BODIES: Mapping[str, str] = dict(_BODIES.findall(GUARD_DDL))
"""The bodies of this version's functions, by name."""

GUARD_BODIES_SQL = "SELECT proname::text, prosrc FROM pg_proc WHERE oid IN ({})".format(
    ", ".join(f"to_regproc('{GUARD_SCHEMA}.{name}')" for name in GUARD_BODIES)
)
"""A query for the names and bodies of a database's functions.

It finds each function by its name. A search by schema would read all of `pg_proc`, which takes as
long as everything else that a check of one tenant does.
"""

LOCK_TIMEOUT_SECONDS = 10
"""Longest a change of placement waits for the tenant's open transactions."""


def grant_guard_sql(role: str) -> sql.Composed:
    """Compose the statements that let a role call the guard's functions."""
    return sql.SQL(
        "GRANT USAGE ON SCHEMA trially TO {role};"
        f"GRANT EXECUTE ON FUNCTION {', '.join(GUARD_FUNCTIONS)} TO {{role}};"
    ).format(role=sql.Identifier(role))


def revoke_guard_sql(role: str) -> sql.Composed:
    """Compose the statements that revoke a role's privileges on the guard, if the role exists."""
    return sql.SQL(
        "DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN"
        " REVOKE ALL ON SCHEMA trially FROM {role};"
        " REVOKE ALL ON ALL FUNCTIONS IN SCHEMA trially FROM {role};"
        " END IF; END $do$;"
    ).format(name=sql.Literal(role), role=sql.Identifier(role))


def register_tenant_sql(tenant_id: UUID, epoch: int) -> sql.Composed:
    """Compose the statement that adds a tenant to the guard's placements, if it is missing."""
    return sql.SQL(
        "INSERT INTO trially.placement (tenant_id, epoch) VALUES ({tenant_id}, {epoch})"
        " ON CONFLICT DO NOTHING;"
    ).format(tenant_id=sql.Literal(str(tenant_id)), epoch=sql.Literal(epoch))


def unregister_tenant_sql(tenant_id: UUID) -> sql.Composed:
    """Compose the statement that removes a tenant from the guard's placements."""
    return sql.SQL("DELETE FROM trially.placement WHERE tenant_id = {};").format(
        sql.Literal(str(tenant_id))
    )


def record_placement(raw: connection, tenant_id: UUID, epoch: int, *, is_suspended: bool) -> None:
    """Write the database's own copy of a placement, after the tenant's transactions have ended.

    Each transaction of the tenant holds the lock in shared mode. So every transaction that began
    before this change also ends before it. Raises psycopg2's `LockNotAvailable` after
    `LOCK_TIMEOUT_SECONDS`.
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
