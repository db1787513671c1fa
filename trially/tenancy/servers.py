"""The PostgreSQL servers that hold tenants: how an administrator and each role reach them."""

import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from flask import Flask, current_app
from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import URL, Connection

from trially.database.engines import connect

FIRST_SERVER = "default"
"""Name of the server that `TRIALLY_DATABASE_URL` points to."""

MAINTENANCE_DATABASES = ("postgres", "template1")

MOST_KEPT = 4
"""Connections of an administrator that are kept for the next time."""


class NoServerError(LookupError):
    """No such server is known to this installation."""


@dataclass(frozen=True)
class ServerAccess:
    """How this process reaches one server."""

    name: str
    admin_url: URL = field(repr=False)
    secret_key: str = field(repr=False)
    pooler_url: URL | None = field(default=None, repr=False)
    """Where tenants' transactions go, if not to the server itself."""

    _kept: OrderedDict[str | None, connection] = field(default_factory=OrderedDict, repr=False)

    def role_url(self, role: str, database: str) -> URL:
        """Return the URL with which `role` logs in to `database`."""
        url = self.pooler_url or self.admin_url
        return url.set(username=role, password=self.role_password(role), database=database)

    def role_password(self, role: str) -> str:
        """Derive a role's password from the installation's secret.

        Nothing that holds a password is stored: the server keeps a SCRAM verifier, and whoever
        has the secret can derive the password again.
        """
        digest = hmac.digest(
            self.secret_key.encode(), f"role:{self.name}:{role}".encode(), "sha256"
        )
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    @contextmanager
    def administer(
        self, database: str | None = None, *, is_kept: bool = False
    ) -> Iterator[connection]:
        """Connect as the administrator, in autocommit mode.

        Without a database: to the one in the server's URL. That connection, and others if
        `is_kept`, is there for the next time: nothing of a session must be left on it.
        """
        if database is not None and not is_kept:
            with closing(self._connect(database)) as raw:
                yield raw
            return
        raw = self._take_kept(database) or self._connect(database)
        try:
            yield raw
        finally:
            self._keep(database, raw)

    def _take_kept(self, database: str | None) -> connection | None:
        """Take the kept connection, unless it is in use or the server has closed it."""
        try:
            raw = self._kept.pop(database)
            execute(raw, "SELECT 1")
        except (KeyError, psycopg2.Error):
            return None
        return raw

    def _keep(self, database: str | None, raw: connection) -> None:
        self._kept[database] = raw
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)[1].close()

    def _connect(self, database: str | None) -> connection:
        url = self.admin_url if database is None else self.admin_url.set(database=database)
        return connect(url, application_name="trially-admin")


def server_access(name: str = FIRST_SERVER) -> ServerAccess:
    """Return how to reach the server called `name`, or raise `NoServerError`."""
    servers: dict[str, ServerAccess] = current_app.extensions["trially_servers"]
    try:
        return servers[name]
    except KeyError:
        raise NoServerError(f"There is no server called {name!r}.") from None


def execute(raw: connection, statement: sql.Composable | str, *parameters: Any) -> list[Any]:
    """Run one statement or a batch, and return the rows of the last one, if it has any."""
    with raw.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def locked(access: ServerAccess, key: int) -> Iterator[connection]:
    """Administer a server while no other process that asks for the same lock does."""
    with access.administer() as raw:
        execute(raw, "SELECT pg_advisory_lock(%s)", key)
        try:
            yield raw
        finally:
            if not raw.closed:
                execute(raw, "SELECT pg_advisory_unlock(%s)", key)


def driver_connection(wrapped: Connection) -> connection:
    """Return the psycopg2 connection below a SQLAlchemy one."""
    raw: connection | None = wrapped.connection.driver_connection
    assert raw is not None  # noqa: S101
    return raw


def init_app(app: Flask, admin_url: URL, secret_key: str, pooler_url: URL | None = None) -> None:
    """Register the first server."""
    app.extensions["trially_servers"] = {
        FIRST_SERVER: ServerAccess(FIRST_SERVER, admin_url, secret_key, pooler_url)
    }
