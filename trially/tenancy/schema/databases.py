"""Create, open and drop databases of tenants."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection
from sqlalchemy import Connection, text

from trially.config import current_settings
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute, migration_connection
from trially.tenancy.servers.preparing import owner_role


@contextmanager
def as_owner(access: ServerAccess, database: str) -> Iterator[Connection]:
    """Connect to a tenants' database as the role that owns its tables."""
    with migration_connection(access.administrator_url(database)) as owned:
        owned.execute(text(f'SET ROLE "{owner_role(current_settings())}"'))
        owned.commit()
        yield owned


def drop_database(raw: connection, name: str) -> None:
    """Drop a database if it exists, and terminate its sessions.

    Only a superuser may terminate an autovacuum worker, which FORCE tries. Without FORCE,
    PostgreSQL itself ends the worker.
    """
    drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        execute(raw, drop + sql.SQL(" WITH (FORCE)"))
    except InsufficientPrivilege:
        execute(raw, drop)


def database_exists(raw: connection, name: str) -> bool:
    """Return True if the server has a database of this name."""
    return bool(execute(raw, "SELECT 1 FROM pg_database WHERE datname = %s", name))


def create_closed_database(raw: connection, name: str, template: str) -> None:
    """Create a database from a template, owned by the tables' owner, that refuses connections.

    In a new database every role has CONNECT through PUBLIC, and revoking CONNECT does not end a
    session. So connections stay refused until `open_database` has revoked it.
    """
    execute(
        raw,
        sql.SQL(
            "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY wal_log CONNECTION LIMIT 0"
        ).format(
            sql.Identifier(name),
            sql.Identifier(owner_role(current_settings())),
            sql.Identifier(template),
        ),
    )


def open_database(raw: connection, name: str, role: str | None = None) -> None:
    """Allow connections to a database: for `role`, if one is given, and for no other login role."""
    database = sql.Identifier(name)
    grant = (
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {};").format(database, sql.Identifier(role))
        if role
        else sql.SQL("")
    )
    execute(
        raw,
        # No flush of the WAL is needed here: later statements flush it, and this commit with it.
        sql.SQL(
            "BEGIN; SET LOCAL synchronous_commit = off;"
            "REVOKE ALL ON DATABASE {database} FROM PUBLIC;{grant}"
            "ALTER DATABASE {database} CONNECTION LIMIT -1;"
            "COMMIT"
        ).format(database=database, grant=grant),
    )


@contextmanager
def building_database(
    access: ServerAccess, raw: connection, name: str, template: str
) -> Iterator[Connection]:
    """Connect to a new database as its owner; rename it to `name` when the block ends.

    Until then the database has another name, so no process can use it half-built. If the block
    fails, the database is dropped.
    """
    building = f"{template_prefix()}building"
    drop_database(raw, building)
    create_closed_database(raw, building, template)
    try:
        open_database(raw, building)
        with as_owner(access, building) as owned:
            yield owned
        execute(
            raw,
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                sql.Identifier(building), sql.Identifier(name)
            ),
        )
    except BaseException:
        drop_database(raw, building)
        raise


def template_prefix() -> str:
    """Return the prefix of the names of this installation's templates."""
    return f"{current_settings().catalog_database}_template_"
