"""Install the catalog on a PostgreSQL server: roles, database, tables, grants, first server."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.tenancy.advisory_locks import INSTALL_LOCK
from trially.tenancy.catalog import CATALOG_SCHEMA, RecordedKey, Server
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.schema.key_evidence import record_secret_key, verify_secret_key
from trially.tenancy.schema.lineages import CATALOG_LINEAGE, run_upgrade
from trially.tenancy.servers.access import FIRST_SERVER, ServerAccess, server_access
from trially.tenancy.servers.connections import driver_connection, execute, migration_connection
from trially.tenancy.servers.preparing import (
    close_to_public,
    owner_role,
    prepare_server,
    reader_role,
)

log = logging.getLogger(__name__)

CLOSED_TO_REQUESTS = (
    *("server_password", "support_grant"),
    *("operator_action", "operator_action_%", "operator_seal", "operator_era"),
    *("erasure", "erased_slug", "erased_person"),
)
"""Patterns (LIKE) of the tables that request handling may not read."""

WRITTEN_BY_REQUESTS = {
    "erased_person": ("tenant_id", "patient_id"),
    "operator_action": ("stage", "action", "actor", "host", "target", "tenant_id", "details"),
    "platform_task": (
        *("id", "issuer", "subject", "kind", "tenant_id", "tenant_slug", "parameters"),
        *("request", "idempotency_key", "request_digest"),
    ),
    "platform_task_cancellation": ("task_id", "issuer", "subject"),
}
"""The columns that request handling may insert, by table. All others have their defaults."""


def install() -> None:
    """Create the catalog, or migrate it to the revision that this version needs.

    It may run again: if everything exists, it changes nothing and takes a few milliseconds.
    """
    with open_catalog() as catalog:
        run_upgrade(CATALOG_LINEAGE, catalog, CATALOG_SCHEMA)


@contextmanager
def open_catalog() -> Iterator[Connection]:
    """Connect to the catalog's database as its owner; create missing roles and the database.

    Raises `WrongSecretKeyError` before it changes anything, if the installation has another key.
    """
    settings, access = current_settings(), server_access()
    with access.locked(INSTALL_LOCK) as raw:
        verify_secret_key(access, raw)
        prepare_server(access, raw)
        _create_catalog_database(raw, settings.catalog_database, owner_role(settings))
        _grant_connect(raw, settings.catalog_database)
        url = access.admin_url.set(database=settings.catalog_database)
        with migration_connection(url) as catalog:
            catalog.execute(text(f'SET ROLE "{owner_role(settings)}"'))
            catalog.execute(text(f"CREATE SCHEMA IF NOT EXISTS {CATALOG_SCHEMA}"))
            catalog.commit()
            yield catalog
            _record_key(catalog, access)
            _grant_catalog(catalog)


def _record_key(catalog: Connection, access: ServerAccess) -> None:
    if inspect(catalog).has_table(RecordedKey.__tablename__, CATALOG_SCHEMA):
        catalog.commit()
        record_secret_key(driver_connection(catalog), access)
        driver_connection(catalog).commit()


def _grant_catalog(catalog: Connection) -> None:
    """Grant the reader what requests need; add the first server's row."""
    raw, schema = driver_connection(catalog), sql.Identifier(CATALOG_SCHEMA)
    reader = sql.Identifier(reader_role(current_settings()))
    execute(
        raw,
        sql.SQL(
            "GRANT USAGE ON SCHEMA {schema} TO {reader};"
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}"
        ).format(schema=schema, reader=reader),
    )
    closed = execute(
        raw,
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace"
        " AND relkind IN ('r', 'p') AND relname LIKE ANY (%s)",
        CATALOG_SCHEMA,
        list(CLOSED_TO_REQUESTS),
    )
    for (name,) in closed:
        table = sql.Identifier(CATALOG_SCHEMA, name)
        execute(raw, sql.SQL("REVOKE ALL ON {} FROM {}").format(table, reader))
    written = execute(
        raw,
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relname = ANY (%s)",
        CATALOG_SCHEMA,
        list(WRITTEN_BY_REQUESTS),
    )
    for (name,) in written:
        table = sql.Identifier(CATALOG_SCHEMA, name)
        columns = sql.SQL(", ").join(map(sql.Identifier, WRITTEN_BY_REQUESTS[name]))
        execute(raw, sql.SQL("GRANT INSERT ({}) ON {} TO {}").format(columns, table, reader))
    raw.commit()
    if inspect(catalog).has_table(Server.__tablename__, CATALOG_SCHEMA):
        catalog.commit()
        with Session(catalog) as session, session.begin():
            if session.scalar(select(Server.id).where(Server.name == FIRST_SERVER)) is None:
                session.add(Server(name=FIRST_SERVER))


def _grant_connect(raw: connection, database: str) -> None:
    execute(
        raw,
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(database), sql.Identifier(reader_role(current_settings()))
        ),
    )


def _create_catalog_database(raw: connection, database: str, owner: str) -> None:
    if not database_exists(raw, database):
        execute(
            raw,
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(database), sql.Identifier(owner)
            ),
        )
    close_to_public(raw, database)
    execute(
        raw,
        sql.SQL("ALTER DATABASE {} SET search_path = {}, pg_temp").format(
            sql.Identifier(database), sql.Identifier(CATALOG_SCHEMA)
        ),
    )


def build_catalog(raw: connection, access: ServerAccess, database: str) -> None:
    """Create a database like the catalog's under another name, to compare the catalog with it."""
    settings = current_settings()
    _create_catalog_database(raw, database, owner_role(settings))
    with migration_connection(access.admin_url.set(database=database)) as catalog:
        catalog.execute(text(f'SET ROLE "{owner_role(settings)}"'))
        catalog.execute(text(f"CREATE SCHEMA {CATALOG_SCHEMA}"))
        catalog.commit()
        run_upgrade(CATALOG_LINEAGE, catalog, CATALOG_SCHEMA)
        _grant_catalog(catalog)
    _grant_connect(raw, database)
