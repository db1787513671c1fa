"""The policy and the trigger that tenant tables must have, and the check in the database."""

from collections.abc import Iterator

from psycopg2.extensions import connection

from trially.errors import OperatorError
from trially.tenancy.servers.connections import execute

POLICY = "tenant_rows"
"""Name of the row security policy that every table with `tenant_id` has."""

TRIGGER = "grow_version"
"""Name of the trigger that every table with `version` has, and of the function that it calls."""

_IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"

_STORED_CONDITION = (
    "(tenant_id = (NULLIF(current_setting('trially.tenant_id'::text, true), ''::text))::uuid)"
)
"""The policy's condition as PostgreSQL prints it."""

_BEFORE_UPDATE_FOR_EACH_ROW = 1 | 2 | 16
"""`pg_trigger.tgtype`: for each row (1), before (2), on UPDATE (16)."""

_TABLES = """
SELECT relname,
    EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid
        AND attname = 'tenant_id' AND NOT attisdropped),
    EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid
        AND attname = 'version' AND NOT attisdropped),
    (SELECT array_agg((polname = %s AND polpermissive AND polcmd = '*' AND polroles = '{0}'
            AND pg_get_expr(polqual, polrelid) = %s
            AND pg_get_expr(polwithcheck, polrelid) = %s) IS TRUE)
        FROM pg_policy WHERE polrelid = pg_class.oid),
    EXISTS (SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid = pg_class.oid AND tgname = %s AND proname = %s
        AND pronamespace = relnamespace AND tgtype = %s AND tgenabled = 'O'
        AND tgqual IS NULL AND tgattr = '')
FROM pg_class
WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p') AND relname <> 'alembic_version'
ORDER BY relname
"""


class UnprotectedTableError(OperatorError):
    """A tenant table lacks its policy or its trigger."""


def create_policy_sql(table: str) -> tuple[str, ...]:
    """Return the lines of the statement that creates a table's policy."""
    return (
        f"CREATE POLICY {POLICY} ON {table} TO PUBLIC",
        f" USING ({_IS_CURRENT_TENANT})",
        f" WITH CHECK ({_IS_CURRENT_TENANT})",
    )


def create_trigger_sql(table: str) -> tuple[str, ...]:
    """Return the lines of the statement that creates a table's trigger."""
    return (
        f"CREATE TRIGGER {TRIGGER} BEFORE UPDATE ON {table}",
        f" FOR EACH ROW EXECUTE FUNCTION {TRIGGER}()",
    )


def drop_trigger_sql(table: str) -> tuple[str, ...]:
    """Return the lines of the statement that drops a table's trigger."""
    return (f"DROP TRIGGER {TRIGGER} ON {table}",)


def check_tables(raw: connection, schema: str) -> None:
    """Raise `UnprotectedTableError` if a table of a schema lacks its policy or its trigger."""
    problems = list(_find_problems(raw, schema))
    if problems:
        raise UnprotectedTableError("\n".join(problems))


def _find_problems(raw: connection, schema: str) -> Iterator[str]:
    rows = execute(
        raw,
        _TABLES,
        POLICY,
        _STORED_CONDITION,
        _STORED_CONDITION,
        TRIGGER,
        TRIGGER,
        _BEFORE_UPDATE_FOR_EACH_ROW,
        schema,
    )
    for table, has_tenant_id, has_version, policies, has_trigger in rows:
        name = f"{schema}.{table}"
        if not has_tenant_id:
            yield f"The table {name} has no column tenant_id. Derive its model from TenantModel."
        elif policies is None:
            yield f"The table {name} has no policy {POLICY}. {_advice(create_policy_sql(table))}"
        elif policies != [True]:
            yield (
                f"The table {name} has a policy other than {POLICY}. Drop its policies."
                f" {_advice(create_policy_sql(table))}"
            )
        if has_version and not has_trigger:
            yield f"The table {name} has no trigger {TRIGGER}. {_advice(create_trigger_sql(table))}"


def _advice(lines: tuple[str, ...]) -> str:
    return f"Add this statement to the migration that creates the table: {''.join(lines)}"
