"""The roles of tenants, and those that log in for them. They own nothing and may make nothing."""

from psycopg2 import errors, sql
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.scram import scram_verifier

RESTRICTIONS = "NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"


def create_login_role(access: ServerAccess, role: str, *, schema: str, connections: int) -> None:
    """Make a login role whose sessions begin in a schema, or give it its password again."""
    names = {
        "role": sql.Identifier(role),
        "verifier": sql.Literal(scram_verifier(access.role_password(role))),
        "connections": sql.Literal(connections),
        "schema": sql.Identifier(schema),
        "statement_timeout": sql.Literal(current_settings().statement_timeout_ms),
    }
    making = sql.SQL(
        f"CREATE ROLE {{role}} LOGIN {RESTRICTIONS} CONNECTION LIMIT {{connections}}"
        " PASSWORD {verifier};"
        "ALTER ROLE {role} SET search_path = {schema}, pg_temp;"
        "ALTER ROLE {role} SET statement_timeout = {statement_timeout};"
        "ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';"
    ).format(**names)
    with access.administer() as raw:
        if not _create_role(raw, making):
            execute(raw, sql.SQL("ALTER ROLE {role} PASSWORD {verifier}").format(**names))


def create_nologin_role(access: ServerAccess, role: str, login_role: str) -> None:
    """Make a role that may not log in, and let a login role become it, unless it is there."""
    making = sql.SQL(f"CREATE ROLE {{role}} NOLOGIN {RESTRICTIONS};GRANT {{role}} TO {{login}};")
    with access.administer() as raw:
        _create_role(
            raw, making.format(role=sql.Identifier(role), login=sql.Identifier(login_role))
        )


def _create_role(raw: connection, making: sql.Composable) -> bool:
    """Run the batch that makes a role; tell whether there was none yet."""
    beginning = sql.SQL("BEGIN; SET LOCAL synchronous_commit = off;")
    try:
        execute(raw, beginning + making + sql.SQL("COMMIT"))
    except (errors.DuplicateObject, errors.UniqueViolation):
        execute(raw, "ROLLBACK")
        return False
    return True
