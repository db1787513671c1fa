"""Append-only tables: the app's role may insert and read, and a trigger refuses everything else.

The trigger also stops the tables' owner, so that no migration or command changes the log by
mistake. A superuser can disable it; the seals show what was changed then.
"""

from psycopg2 import sql

APPEND_ONLY = {"append_only": True}
"""The `info` of a model whose table is append-only."""

REFUSE = "refuse_change"
"""Name of the trigger of each append-only table, and of the function that it calls."""

REMOVED_TENANT = "trially.removed_tenant"
"""Setting with the id of the tenant whose rows are removed with the tenant."""

CREATE_FUNCTION = f"""
CREATE FUNCTION {REFUSE}() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF old.tenant_id = nullif(current_setting('{REMOVED_TENANT}', true), '')::uuid THEN
            RETURN old;
        END IF;
    END IF;
    RAISE SQLSTATE 'TR003' USING MESSAGE = format('%s is append-only', TG_TABLE_NAME);
END
$function$;
REVOKE EXECUTE ON FUNCTION {REFUSE}() FROM PUBLIC
"""


def refuse_changes_sql(table: str) -> tuple[str, str]:
    """Return the statements that create the triggers of an append-only table."""
    each_row = (
        f"CREATE TRIGGER {REFUSE} BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {REFUSE}()"
    )
    return each_row, refuse_truncate_sql(table)


def refuse_truncate_sql(table: str) -> str:
    """Return the statement that creates the trigger against TRUNCATE.

    A partition needs its own: PostgreSQL copies only triggers for each row to partitions.
    """
    return (
        f"CREATE TRIGGER {REFUSE}_all BEFORE TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {REFUSE}()"
    )


def revoke_changes_sql(schema: str, role: str) -> sql.Composed:
    """Return SQL that leaves a role INSERT and SELECT on append-only tables, none on partitions.

    A partition is reached through its table, which has the row security policy that counts.
    """
    return sql.SQL(_REVOKE).format(
        schema=sql.Literal(schema),
        trigger=sql.Literal(REFUSE),
        role=sql.Literal(role),
    )


_REVOKE = """
DO $do$
DECLARE
    log_table regclass;
    is_partition boolean;
BEGIN
    FOR log_table, is_partition IN
        SELECT pg_class.oid::regclass, relispartition FROM pg_class
        WHERE relnamespace = {schema}::regnamespace AND relkind IN ('r', 'p') AND (relispartition
        OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname = {trigger}))
    LOOP
        IF is_partition THEN
            EXECUTE format('REVOKE ALL ON %s FROM %I', log_table, {role});
        ELSE
            EXECUTE format('REVOKE UPDATE, DELETE ON %s FROM %I', log_table, {role});
        END IF;
    END LOOP;
END
$do$;
"""
