"""The database that new tenants are cloned from, and the databases that migrations visit."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import connection
from sqlalchemy import Connection, text

from trially.config import current_settings
from trially.tenancy.guard import GUARD_DDL
from trially.tenancy.installing import owner_role
from trially.tenancy.migrating import (
    TENANT_LINEAGE,
    fingerprint_of,
    migration_connection,
    run_upgrade,
)
from trially.tenancy.names import opaque_name
from trially.tenancy.servers import (
    ServerAccess,
    driver_connection,
    execute,
    locked,
)

TENANT_SCHEMA = "tenant"
"""Schema of the tables in databases whose tables are one tenant's, or all tenants' alike."""

log = logging.getLogger(__name__)

_BUILD_LOCK = 0x7472_6961_6C6C_79
"""Advisory lock of the maintenance database: one process at a time builds templates."""


def template_database(access: ServerAccess) -> str:
    """Return the name of the server's template at the head revision, building it if need be."""
    name = template_name()
    with access.administer() as raw:
        if _is_template(raw, name):
            return name
    with locked(access, _BUILD_LOCK) as raw:
        if not _is_template(raw, name):
            _build(access, raw, name)
            _drop_others(raw, name)
    return name


def template_name() -> str:
    """Name the template that this version's migrations and guard make."""
    digest = hashlib.sha256((fingerprint_of(TENANT_LINEAGE) + GUARD_DDL).encode()).hexdigest()
    return f"{_prefix()}{digest[:12]}"


@contextmanager
def as_owner(access: ServerAccess, database: str) -> Iterator[Connection]:
    """Connect to a tenants' database as the role that owns its tables."""
    with migration_connection(access.administrator_url(database)) as owned:
        owned.execute(text(f'SET ROLE "{owner_role(current_settings())}"'))
        owned.commit()
        yield owned


def clone_template(access: ServerAccess, name: str, role: str) -> None:
    """Make a database from the template, into which only `role` is let.

    A clone does not inherit its template's privileges: everyone may connect to it until it is
    told otherwise, and would stay connected. Until then it takes no connections.
    """
    template = template_database(access)
    names = {
        "database": sql.Identifier(name),
        "role": sql.Identifier(role),
        "owner": sql.Identifier(owner_role(current_settings())),
        "template": sql.Identifier(template),
    }
    with access.administer() as raw:
        try:
            execute(
                raw,
                sql.SQL(
                    "CREATE DATABASE {database} OWNER {owner} TEMPLATE {template} STRATEGY wal_log"
                    " CONNECTION LIMIT 0"
                ).format(**names),
            )
        except (errors.DuplicateDatabase, errors.UniqueViolation):
            log.info("The database is there already.")
        execute(
            raw,
            # What dresses the database is flushed, and this with it.
            sql.SQL(
                "BEGIN; SET LOCAL synchronous_commit = off;"
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC;"
                "GRANT CONNECT ON DATABASE {database} TO {role};"
                "ALTER DATABASE {database} CONNECTION LIMIT -1;"
                "COMMIT"
            ).format(**names),
        )


@contextmanager
def scratch_database(access: ServerAccess) -> Iterator[Connection]:
    """Connect to a clone of the template that is gone afterwards."""
    name = opaque_name()
    template = template_database(access)
    with access.administer() as raw:
        execute(
            raw,
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name),
                sql.Identifier(owner_role(current_settings())),
                sql.Identifier(template),
            ),
        )
        try:
            with as_owner(access, name) as owned:
                yield owned
        finally:
            drop_database(raw, name)


def drop_database(raw: connection, name: str) -> None:
    """Drop a database if it is there, ending the sessions in it."""
    execute(raw, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def building_database(
    access: ServerAccess, raw: connection, name: str, template: str
) -> Iterator[Connection]:
    """Connect to a new database as its owner; it gets its name when the block is done with it.

    So nobody finds one half-built.
    """
    building = f"{_prefix()}building"
    drop_database(raw, building)
    execute(
        raw,
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} CONNECTION LIMIT 0").format(
            sql.Identifier(building),
            sql.Identifier(owner_role(current_settings())),
            sql.Identifier(template),
        ),
    )
    try:
        execute(
            raw,
            sql.SQL(
                "BEGIN; REVOKE ALL ON DATABASE {0} FROM PUBLIC;"
                "ALTER DATABASE {0} CONNECTION LIMIT -1; COMMIT"
            ).format(sql.Identifier(building)),
        )
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


def database_exists(raw: connection, name: str) -> bool:
    """Tell whether there is a database of this name."""
    return bool(execute(raw, "SELECT 1 FROM pg_database WHERE datname = %s", name))


def _build(access: ServerAccess, raw: connection, name: str) -> None:
    with building_database(access, raw, name, "template0") as owned:
        for statement in (GUARD_DDL, "DROP SCHEMA public", f"CREATE SCHEMA {TENANT_SCHEMA}"):
            execute(driver_connection(owned), statement)
        driver_connection(owned).commit()
        run_upgrade(TENANT_LINEAGE, owned, TENANT_SCHEMA)
    execute(
        raw,
        sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false").format(
            sql.Identifier(name)
        ),
    )


def _drop_others(raw: connection, name: str) -> None:
    rows = execute(
        raw,
        "SELECT datname FROM pg_database WHERE datistemplate AND starts_with(datname, %s)"
        " AND datname <> %s",
        _prefix(),
        name,
    )
    for (other,) in rows:
        execute(raw, sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(other)))
        drop_database(raw, other)


def _is_template(raw: connection, name: str) -> bool:
    return bool(
        execute(raw, "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", name)
    )


def _prefix() -> str:
    return f"{current_settings().catalog_database}_template_"
