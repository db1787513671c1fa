"""Run statements over an administrator's connection."""

from functools import partial
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.pool import NullPool

from trially.database.connecting import open_connection


def execute(raw: connection, statement: sql.Composable | str, *parameters: Any) -> list[Any]:
    """Run one statement or a batch, and return the rows of the last one, if it has any."""
    with raw.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def driver_connection(wrapped: Connection) -> connection:
    """Return the psycopg2 connection below a SQLAlchemy one."""
    raw: connection | None = wrapped.connection.driver_connection
    assert raw is not None  # noqa: S101
    return raw


def migration_connection(url: URL) -> Connection:
    """Open a SQLAlchemy connection for migrating; closing it closes the database connection."""
    engine = create_engine(
        url, poolclass=NullPool, hide_parameters=True, creator=partial(open_connection, url)
    )
    return engine.connect()
