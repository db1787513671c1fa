"""The template database that new tenants' databases are cloned from, one on each server."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import errors, sql
from psycopg2.extensions import connection
from sqlalchemy import Connection

from trially.tenancy.advisory_locks import TEMPLATE_LOCK
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.databases import (
    as_owner,
    building_database,
    create_closed_database,
    drop_database,
    open_database,
    template_prefix,
)
from trially.tenancy.schema.guard import GUARD_DDL
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, fingerprint_of, fingerprints_of
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import driver_connection, execute

TENANT_SCHEMA = "tenant"
"""Schema of the tenant tables, except in the tier where each tenant has its own schema."""

log = logging.getLogger(__name__)


def template_database(access: ServerAccess) -> str:
    """Return the name of the server's template at the head revision; build it if it is missing.

    Raises `UnprotectedTableError` if a migration leaves a table without its policy or trigger.
    """
    name = template_name()
    with access.administer() as raw:
        if _is_template(raw, name):
            return name
    with access.locked(TEMPLATE_LOCK) as raw:
        if not _is_template(raw, name):
            _build(access, raw, name)
            _drop_others(raw, name)
    return name


def template_name() -> str:
    """Return the template's name, which depends on this version's migrations and guard."""
    return _name_for(fingerprint_of(TENANT_LINEAGE))


def create_tables(owned: Connection, revision: str = "head") -> None:
    """Create the guard and the tenants' tables in a new database, over its owner's connection."""
    for statement in (GUARD_DDL, "DROP SCHEMA public", f"CREATE SCHEMA {TENANT_SCHEMA}"):
        execute(driver_connection(owned), statement)
    driver_connection(owned).commit()
    _migrate_tables(owned, revision)


def clone_template(access: ServerAccess, name: str, role: str, template: str | None = None) -> None:
    """Create a database from a template, by default the server's. Only `role` may connect to it."""
    template = template or template_database(access)
    with access.administer() as raw:
        try:
            create_closed_database(raw, name, template)
        except (errors.DuplicateDatabase, errors.UniqueViolation):
            log.info("The database already exists.")
        open_database(raw, name, role)


@contextmanager
def scratch_database(access: ServerAccess) -> Iterator[Connection]:
    """Connect to a new clone of the template; drop it when the block ends."""
    name = opaque_name()
    template = template_database(access)
    with access.administer() as raw:
        create_closed_database(raw, name, template)
        try:
            open_database(raw, name)
            with as_owner(access, name) as owned:
                yield owned
        finally:
            drop_database(raw, name)


def _build(access: ServerAccess, raw: connection, name: str) -> None:
    earlier = _newest_earlier(raw)
    with building_database(access, raw, name, earlier or "template0") as owned:
        if earlier is None:
            create_tables(owned)
        else:
            _migrate_tables(owned)
    execute(
        raw,
        sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false").format(
            sql.Identifier(name)
        ),
    )


def _newest_earlier(raw: connection) -> str | None:
    """Return the template of a version whose migrations are the first ones of this version's.

    Only the migrations that it lacks have to be applied to a copy of it.
    """
    earlier = [_name_for(each) for each in fingerprints_of(TENANT_LINEAGE)[:-1]]
    found = execute(
        raw, "SELECT datname FROM pg_database WHERE datistemplate AND datname = ANY (%s)", earlier
    )
    return max((name for (name,) in found), key=earlier.index, default=None)


def _migrate_tables(owned: Connection, revision: str = "head") -> None:
    # Imported here, because most commands build no template, and loading Alembic takes longest.
    from trially.tenancy.schema.lineages import run_upgrade

    run_upgrade(TENANT_LINEAGE, owned, TENANT_SCHEMA, revision)


def _name_for(fingerprint: str) -> str:
    digest = hashlib.sha256((fingerprint + GUARD_DDL).encode()).hexdigest()
    return f"{template_prefix()}{digest[:12]}"


def _drop_others(raw: connection, name: str) -> None:
    rows = execute(
        raw,
        "SELECT datname FROM pg_database WHERE datistemplate AND starts_with(datname, %s)"
        " AND datname <> %s",
        template_prefix(),
        name,
    )
    for (other,) in rows:
        execute(raw, sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(other)))
        drop_database(raw, other)


def _is_template(raw: connection, name: str) -> bool:
    return bool(
        execute(raw, "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", name)
    )
