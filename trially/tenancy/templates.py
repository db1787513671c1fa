"""The database that new tenants are cloned from, and the databases that migrations visit."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql
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
"""Schema of a tenant's tables in a database of its own."""

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
    with migration_connection(access.admin_url.set(database=database)) as owned:
        owned.execute(text(f'SET ROLE "{owner_role(current_settings())}"'))
        owned.commit()
        yield owned


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


def _build(access: ServerAccess, raw: connection, name: str) -> None:
    """Build under another name, so that nobody finds a template half-built, and rename it."""
    building = f"{_prefix()}building"
    drop_database(raw, building)
    execute(
        raw,
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
            sql.Identifier(building), sql.Identifier(owner_role(current_settings()))
        ),
    )
    try:
        execute(
            raw, sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(building))
        )
        with as_owner(access, building) as owned:
            for statement in (GUARD_DDL, "DROP SCHEMA public", f"CREATE SCHEMA {TENANT_SCHEMA}"):
                execute(driver_connection(owned), statement)
            driver_connection(owned).commit()
            run_upgrade(TENANT_LINEAGE, owned, TENANT_SCHEMA)
        execute(
            raw,
            sql.SQL(
                "ALTER DATABASE {} RENAME TO {};"
                "ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"
            ).format(sql.Identifier(building), sql.Identifier(name), sql.Identifier(name)),
        )
    except BaseException:
        drop_database(raw, building)
        raise


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
