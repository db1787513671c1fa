"""The roles that log in for tenants. They own nothing and may make nothing."""

from psycopg2 import errors, sql

from trially.config import current_settings
from trially.tenancy.scram import scram_verifier
from trially.tenancy.servers import ServerAccess, execute

RESTRICTIONS = "NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"


def make_login_role(access: ServerAccess, role: str, *, schema: str, connections: int) -> None:
    """Make a login role whose sessions begin in a schema, or give it its password again."""
    names = {
        "role": sql.Identifier(role),
        "verifier": sql.Literal(scram_verifier(access.role_password(role))),
        "connections": sql.Literal(connections),
        "schema": sql.Identifier(schema),
        "statement_timeout": sql.Literal(current_settings().statement_timeout_ms),
    }
    with access.administer() as raw:
        try:
            execute(
                raw,
                sql.SQL(
                    "BEGIN; SET LOCAL synchronous_commit = off;"
                    f"CREATE ROLE {{role}} LOGIN {RESTRICTIONS} CONNECTION LIMIT {{connections}}"
                    " PASSWORD {verifier};"
                    "ALTER ROLE {role} SET search_path = {schema}, pg_temp;"
                    "ALTER ROLE {role} SET statement_timeout = {statement_timeout};"
                    "ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';"
                    "COMMIT"
                ).format(**names),
            )
        except (errors.DuplicateObject, errors.UniqueViolation):
            execute(raw, "ROLLBACK")
            execute(raw, sql.SQL("ALTER ROLE {role} PASSWORD {verifier}").format(**names))
