"""Install the catalog on a PostgreSQL server: roles, database, tables, grants, first server."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.orm import Session

from trially.config import Settings, current_settings
from trially.database.connecting import Login
from trially.database.session import ReaderConnection
from trially.database.watching import WatchedConnection
from trially.errors import OperatorError
from trially.tenancy.advisory_locks import INSTALL_LOCK
from trially.tenancy.catalog import (
    CATALOG_SCHEMA,
    CONTROL_BIND,
    READER_BIND,
    RecordedKey,
    Server,
    ServerPassword,
    control_engine,
)
from trially.tenancy.recorded_keys import reader_application
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.schema.key_evidence import record_secret_key, verify_secret_key
from trially.tenancy.schema.lineages import (
    CATALOG_LINEAGE,
    head_of,
    migration_connection,
    run_upgrade,
)
from trially.tenancy.schema.revisions import Revision, compare
from trially.tenancy.servers.access import (
    FIRST_SERVER,
    ServerAccess,
    server_access,
)
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.servers.preparing import (
    close_to_public,
    owner_role,
    prepare_server,
    reader_role,
)

CATALOG_CONNECTIONS = {CONTROL_BIND: WatchedConnection, READER_BIND: ReaderConnection}
"""The classes of connections to the catalog, by bind key: requests wait less than commands."""

log = logging.getLogger(__name__)


class CatalogBehindError(OperatorError):
    """The catalog does not exist, or is not at the revision that this version needs."""


class CatalogNewerError(OperatorError):
    """A newer version has migrated the catalog."""


def catalog_binds(access: ServerAccess, settings: Settings) -> dict[str, Login]:
    """Return how to log in to the catalog, by bind key."""
    database, reader = settings.catalog_database, reader_role(settings)
    url = access.role_url(reader, database).update_query_dict(
        {"application_name": reader_application(access.keys)}
    )
    return {
        CONTROL_BIND: Login(access.admin_url.set(database=database)),
        READER_BIND: Login(url, access.other_password(reader)),
    }


def install() -> None:
    """Create the catalog, or migrate it to the revision that this version needs.

    It may run again: if everything exists, it changes nothing and takes a few milliseconds.
    """
    with open_catalog() as catalog:
        run_upgrade(CATALOG_LINEAGE, catalog, CATALOG_SCHEMA)


def check_catalog() -> None:
    """Raise an error unless the catalog is at the head of its lineage.

    The error is `CatalogBehindError` if `install` can bring it there, else `CatalogNewerError`.
    """
    with server_access().administer() as raw:
        exists = database_exists(raw, current_settings().catalog_database)
    found = compare(_catalog_revision() if exists else None, head_of(CATALOG_LINEAGE))
    if found is Revision.NEWER:
        raise CatalogNewerError(
            "A newer version of trially has migrated the catalog. Run this command in that version."
        )
    if found is not Revision.CURRENT:
        raise CatalogBehindError(
            "The catalog is not at the revision that this version needs. Run "
            "`flask db --directory migrations/catalog upgrade`."
        )


def require_catalog() -> None:
    """Install the catalog in development; elsewhere raise `CatalogBehindError` if it is behind."""
    try:
        check_catalog()
    except CatalogBehindError:
        if not current_settings().development:
            raise
        install()


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
    """Grant the reader SELECT on every table but the passwords; add the first server's row."""
    names = {
        "schema": sql.Identifier(CATALOG_SCHEMA),
        "reader": sql.Identifier(reader_role(current_settings())),
        "passwords": sql.Identifier(CATALOG_SCHEMA, ServerPassword.__tablename__),
    }
    execute(
        driver_connection(catalog),
        sql.SQL(
            "GRANT USAGE ON SCHEMA {schema} TO {reader};"
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}"
        ).format(**names),
    )
    if inspect(catalog).has_table(ServerPassword.__tablename__, CATALOG_SCHEMA):
        execute(
            driver_connection(catalog),
            sql.SQL("REVOKE ALL ON {passwords} FROM {reader}").format(**names),
        )
    driver_connection(catalog).commit()
    if inspect(catalog).has_table(Server.__tablename__, CATALOG_SCHEMA):
        catalog.commit()
        with Session(catalog) as session, session.begin():
            if session.scalar(select(Server).where(Server.name == FIRST_SERVER)) is None:
                session.add(Server(name=FIRST_SERVER))


def _catalog_revision() -> str | None:
    with control_engine().connect() as catalog:
        if not inspect(catalog).has_table("alembic_version"):
            return None
        revision: str | None = catalog.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


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
