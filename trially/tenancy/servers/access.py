"""The PostgreSQL servers that hold tenants: how an administrator and each role reach them."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import psycopg2
from flask import Flask
from psycopg2.extensions import connection
from sqlalchemy import URL, make_url, select
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.engines import connect
from trially.errors import OperatorError
from trially.keys import role_password
from trially.state import app_state, state_of
from trially.tenancy.catalog import Server, ServerPassword, catalog_transaction, reader_engine
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.sealing import unseal_password

FIRST_SERVER = "default"
"""Name of the server that `TRIALLY_DATABASE_URL` points to."""

MAINTENANCE_DATABASES = ("postgres", "template1")

MOST_KEPT = 4
"""Connections of an administrator that are kept for the next time."""

REPLICA_PATIENCE = {"connect_timeout": "2"}
"""There is always the primary to ask, so one waits less for a replica."""


class NoServerError(OperatorError):
    """No such server is known to this installation."""


@dataclass(frozen=True)
class ServerAccess:
    """How this process reaches one server."""

    name: str
    admin_url: URL = field(repr=False)
    secret_key: str = field(repr=False)
    pooler_url: URL | None = field(default=None, repr=False)
    """Where tenants' transactions go, if not to the server itself."""

    replica_urls: tuple[URL, ...] = field(default=(), repr=False)
    read_at: float = float("inf")
    """When the catalog said so, by the monotonic clock; what the settings say stays."""

    _kept: OrderedDict[str | None, connection] = field(default_factory=OrderedDict, repr=False)

    def role_url(self, role: str, database: str) -> URL:
        """Return the URL with which `role` logs in to `database`."""
        url = self.pooler_url or self.admin_url
        return url.set(username=role, password=self.role_password(role), database=database)

    def replica_role_urls(self, role: str, database: str) -> tuple[URL, ...]:
        """Return the URLs with which `role` logs in to `database` on each replica."""
        password = self.role_password(role)
        return tuple(
            url.set(username=role, password=password, database=database).update_query_dict(
                {**REPLICA_PATIENCE, **url.query}
            )
            for url in self.replica_urls
        )

    def administrator_url(self, database: str | None = None) -> URL:
        """Return the URL with which the administrator logs in.

        Where there is no password in it, libpq looks into `~/.pgpass`.
        """
        url = self.admin_url.set(password=self.admin_url.password or self._sealed_password)
        return url if database is None else url.set(database=database)

    def role_password(self, role: str) -> str:
        """Derive a role's password from the installation's secret.

        Nothing that holds a password is stored: the server keeps a SCRAM verifier, and whoever
        has the secret can derive the password again.
        """
        return role_password(self.secret_key, self.name, role)

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

    @contextmanager
    def locked(self, key: int) -> Iterator[connection]:
        """Administer the server while holding an advisory lock, which one process can hold."""
        with self.administer() as raw:
            execute(raw, "SELECT pg_advisory_lock(%s)", key)
            try:
                yield raw
            finally:
                if not raw.closed:
                    execute(raw, "SELECT pg_advisory_unlock(%s)", key)

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
        return connect(self.administrator_url(database), application_name="trially-admin")

    @cached_property
    def _sealed_password(self) -> str | None:
        """The administrator's password, as the catalog keeps it for lifecycle commands alone."""
        if self.name == FIRST_SERVER:
            return None
        with catalog_transaction() as session:
            sealed = session.scalar(
                select(ServerPassword.sealed).join(Server).where(Server.name == self.name)
            )
        return None if sealed is None else unseal_password(self.secret_key, self.name, sealed)


def server_access(name: str = FIRST_SERVER) -> ServerAccess:
    """Return how to reach the server called `name`, or raise `NoServerError`.

    The catalog is asked for what this process does not know, or not recently.
    """
    known = _known_servers().get(name)
    max_age = current_settings().placement_max_age_seconds
    if known is not None and time.monotonic() - known.read_at <= max_age:
        return known
    with Session(reader_engine()) as session:
        server = session.scalar(select(Server).where(Server.name == name))
    if server is None:
        _known_servers().pop(name, None)
        raise NoServerError(f"There is no server called {name!r}.")
    return access_to(server)


def access_to(server: Server) -> ServerAccess:
    """Return how to reach a server that the catalog describes so."""
    known = _known_servers().get(server.name)
    replica_urls = tuple(make_url(url) for url in server.replica_urls)
    if server.url is None:
        return replace(_known_servers()[FIRST_SERVER], replica_urls=replica_urls)
    access = ServerAccess(
        name=server.name,
        admin_url=make_url(server.url),
        secret_key=current_settings().secret_key,
        pooler_url=make_url(server.pooler_url) if server.pooler_url else None,
        replica_urls=replica_urls,
        read_at=time.monotonic(),
    )
    if known is not None and known.admin_url == access.admin_url:
        access = replace(access, _kept=known._kept)  # noqa: SLF001
    _known_servers()[server.name] = access
    return access


def forget_server(name: str) -> None:
    """Have the catalog asked the next time that a server is to be reached."""
    if name != FIRST_SERVER:
        _known_servers().pop(name, None)


def init_app(app: Flask, admin_url: URL, secret_key: str, pooler_url: URL | None = None) -> None:
    """Register the first server."""
    state_of(app).servers[FIRST_SERVER] = ServerAccess(
        FIRST_SERVER, admin_url, secret_key, pooler_url
    )


def _known_servers() -> dict[str, ServerAccess]:
    return app_state().servers
