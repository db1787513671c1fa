"""Create the roles of tenants and of shared databases. They own nothing and create nothing."""

from psycopg2 import errors, sql
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.scram import scram_verifier

RESTRICTIONS = "NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"


def create_login_role(access: ServerAccess, role: str, *, schema: str, connections: int) -> None:
    """Create a login role whose sessions start in `schema`, or reset its password if it exists.

    The role may open at most `connections` connections.
    """
    names = {
        "role": sql.Identifier(role),
        "verifier": sql.Literal(scram_verifier(access.role_password(role))),
        "connections": sql.Literal(connections),
        "schema": sql.Identifier(schema),
        "statement_timeout": sql.Literal(current_settings().statement_timeout_ms),
    }
    create_sql = sql.SQL(
        f"CREATE ROLE {{role}} LOGIN {RESTRICTIONS} CONNECTION LIMIT {{connections}}"
        " PASSWORD {verifier};"
        "ALTER ROLE {role} SET search_path = {schema}, pg_temp;"
        "ALTER ROLE {role} SET statement_timeout = {statement_timeout};"
        "ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';"
    ).format(**names)
    with access.administer() as raw:
        if not _create_role(raw, create_sql):
            execute(raw, sql.SQL("ALTER ROLE {role} PASSWORD {verifier}").format(**names))


def create_nologin_role(access: ServerAccess, role: str, login_role: str) -> None:
    """Create a role without LOGIN and make `login_role` a member of it, unless the role exists."""
    create_sql = sql.SQL(
        f"CREATE ROLE {{role}} NOLOGIN {RESTRICTIONS};GRANT {{role}} TO {{login}};"
    ).format(role=sql.Identifier(role), login=sql.Identifier(login_role))
    with access.administer() as raw:
        _create_role(raw, create_sql)


def _create_role(raw: connection, create_sql: sql.Composable) -> bool:
    """Run the batch that creates a role; return False if the role exists already."""
    begin_sql = sql.SQL("BEGIN; SET LOCAL synchronous_commit = off;")
    try:
        execute(raw, begin_sql + create_sql + sql.SQL("COMMIT"))
    except (errors.DuplicateObject, errors.UniqueViolation):
        execute(raw, "ROLLBACK")
        return False
    return True
