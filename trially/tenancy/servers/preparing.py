"""Prepare a PostgreSQL server for tenants: create roles, and revoke access from PUBLIC."""

import logging

from psycopg2 import errors, sql
from psycopg2.extensions import connection

from trially.config import Settings, current_settings
from trially.tenancy.servers.access import MAINTENANCE_DATABASES, ServerAccess
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.scram import scram_verifier

log = logging.getLogger(__name__)


def owner_role(settings: Settings) -> str:
    """Return the name of the role that owns every table and cannot log in."""
    return f"{settings.catalog_database}_owner"


def reader_role(settings: Settings) -> str:
    """Return the name of the role with which request handling reads the catalog."""
    return f"{settings.catalog_database}_reader"


def prepare_server(access: ServerAccess, raw: connection) -> None:
    """Create the roles that every server needs, and revoke access from PUBLIC."""
    settings = current_settings()
    owner, reader = owner_role(settings), reader_role(settings)
    create_role(raw, owner, "NOLOGIN")
    create_role(raw, reader, "LOGIN")
    execute(
        raw,
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(
            sql.Identifier(reader), sql.Literal(scram_verifier(access.role_password(reader)))
        ),
    )
    execute(raw, sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(owner)))
    for database in MAINTENANCE_DATABASES:
        close_to_public(raw, database)


def create_role(raw: connection, role: str, attributes: str) -> None:
    """Create a role of the installation, unless it exists."""
    if not execute(raw, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
        execute(
            raw,
            sql.SQL("CREATE ROLE {} " + attributes + " NOSUPERUSER NOBYPASSRLS NOCREATEDB").format(
                sql.Identifier(role)
            ),
        )


def close_to_public(raw: connection, database: str) -> None:
    """Revoke CONNECT and TEMPORARY on a database, which PostgreSQL grants to PUBLIC."""
    try:
        execute(
            raw, sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))
        )
    except errors.InsufficientPrivilege:
        log.warning("The administrator may not revoke CONNECT on %s from PUBLIC.", database)
