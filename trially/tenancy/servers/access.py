"""Connect to PostgreSQL servers, as the administrator or as a tenant's role."""

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
from trially.database.connecting import connect
from trially.database.planes import refuse_platform_requests
from trially.errors import OperatorError
from trially.keys import SecretKeys, current_keys, role_password
from trially.observability.metrics import catalog_stale_answers_total
from trially.state import app_state, state_of
from trially.tenancy.catalog import Server, ServerPassword
from trially.tenancy.catalog_reader import UNANSWERED
from trially.tenancy.catalog_sessions import catalog_transaction, reader_engine
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.sealing import unseal_password

FIRST_SERVER = "default"
"""Name of the server that `TRIALLY_DATABASE_URL` points to."""

MAINTENANCE_DATABASES = ("postgres", "template1")

MAX_KEPT_CONNECTIONS = 4
"""The most administrator connections that are kept open for reuse, per server."""

REPLICA_OPTIONS = {"connect_timeout": "2"}
"""The timeout is short, because the primary answers where a replica does not."""


class NoServerError(OperatorError):
    """The installation has no server of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The server {name!r} does not exist. `flask servers list` shows all servers."
        )


@dataclass(frozen=True)
class ServerAccess:
    """The URLs and passwords with which this process connects to one server."""

    name: str
    admin_url: URL = field(repr=False)
    keys: SecretKeys = field(repr=False)
    pooler_url: URL | None = field(default=None, repr=False)
    """The pooler that tenants' connections go through, if there is one."""

    replica_urls: tuple[URL, ...] = field(default=(), repr=False)
    read_at: float = float("inf")
    """When the catalog was read, by the monotonic clock. Settings never become stale."""

    _kept: OrderedDict[str | None, connection] = field(default_factory=OrderedDict, repr=False)

    def role_url(self, role: str, database: str) -> URL:
        """Return the URL with which `role` logs in to `database`.

        The password is that of `TRIALLY_SECRET_KEY`, also while it is not set yet, so that the URL
        does not change. `other_password` returns the other one.
        """
        url = self.pooler_url or self.admin_url
        return url.set(username=role, password=self._newest_password(role), database=database)

    def other_password(self, role: str) -> str | None:
        """Return a role's password under the other secret key, None if there is only one key."""
        passwords = self.keys.role_passwords(self.name, role)
        return next((text for name, text in passwords.items() if name != self.keys.newest), None)

    def replica_role_urls(self, role: str, database: str) -> tuple[URL, ...]:
        """Return the URLs with which `role` logs in to `database` on each replica."""
        password = self._newest_password(role)
        return tuple(
            url.set(username=role, password=password, database=database).update_query_dict(
                {**REPLICA_OPTIONS, **url.query}
            )
            for url in self.replica_urls
        )

    def administrator_url(self, database: str | None = None) -> URL:
        """Return the URL with which the administrator logs in.

        If the URL has no password, libpq reads `~/.pgpass`.
        """
        url = self.admin_url.set(password=self.admin_url.password or self._sealed_password)
        return url if database is None else url.set(database=database)

    def role_password(self, role: str) -> str:
        """Derive the password that a role is given, from the secret key in use.

        No password is stored. The server has a SCRAM verifier, and every process that has the
        secret derives the same password again.
        """
        return role_password(self.keys.in_use, self.name, role)

    def _newest_password(self, role: str) -> str:
        return self.keys.role_passwords(self.name, role)[self.keys.newest]

    @contextmanager
    def administer(
        self, database: str | None = None, *, is_kept: bool = False
    ) -> Iterator[connection]:
        """Open a connection of the administrator, in autocommit mode.

        Without a database, it is the one in the server's URL. That connection, and with `is_kept`
        any other, is kept open for reuse: the block must leave no session state on it.
        """
        if database is not None and not is_kept:
            with closing(self._connect(database)) as raw:
                yield raw
            return
        refuse_platform_requests("administrator")
        raw = self._take_kept(database) or self._connect(database)
        try:
            yield raw
        finally:
            self._keep(database, raw)

    @contextmanager
    def locked(self, key: int) -> Iterator[connection]:
        """Open a connection of the administrator that holds an advisory lock."""
        with self.administer() as raw:
            execute(raw, "SELECT pg_advisory_lock(%s)", key)
            try:
                yield raw
            finally:
                if not raw.closed:
                    execute(raw, "SELECT pg_advisory_unlock(%s)", key)

    def _take_kept(self, database: str | None) -> connection | None:
        """Return the kept connection, or None if it is in use or the server has closed it."""
        try:
            raw = self._kept.pop(database)
            execute(raw, "SELECT 1")
        except (KeyError, psycopg2.Error):
            return None
        return raw

    def _keep(self, database: str | None, raw: connection) -> None:
        self._kept[database] = raw
        while len(self._kept) > MAX_KEPT_CONNECTIONS:
            self._kept.popitem(last=False)[1].close()

    def _connect(self, database: str | None) -> connection:
        refuse_platform_requests("administrator")
        return connect(self.administrator_url(database), application_name="trially-admin")

    @cached_property
    def _sealed_password(self) -> str | None:
        """The administrator's password from the catalog, which only lifecycle commands can read."""
        if self.name == FIRST_SERVER:
            return None
        with catalog_transaction() as session:
            sealed = session.scalar(
                select(ServerPassword.sealed).join(Server).where(Server.name == self.name)
            )
        return None if sealed is None else unseal_password(self.keys, self.name, sealed)


def server_access(name: str = FIRST_SERVER) -> ServerAccess:
    """Return the access to a server, or raise `NoServerError`.

    A server that is not cached, or that was cached too long ago, is read from the catalog. If the
    catalog does not answer, the cached access is used for up to `TRIALLY_CATALOG_OUTAGE_SECONDS`.
    """
    cached = _cached_servers().get(name)
    settings = current_settings()
    age = float("inf") if cached is None else time.monotonic() - cached.read_at
    if cached is not None and age <= settings.placement_max_age_seconds:
        return cached
    try:
        with Session(reader_engine()) as session:
            server = session.scalar(select(Server).where(Server.name == name))
    except UNANSWERED:
        if cached is None or age > settings.catalog_outage_seconds:
            raise
        catalog_stale_answers_total.labels("server").inc()
        return cached
    if server is None:
        _cached_servers().pop(name, None)
        raise NoServerError(name)
    return access_to(server)


def access_to(server: Server) -> ServerAccess:
    """Return the access to the server of a row in the catalog, and cache it."""
    cached = _cached_servers().get(server.name)
    replica_urls = tuple(make_url(url) for url in server.replica_urls)
    if server.url is None:
        return replace(_cached_servers()[FIRST_SERVER], replica_urls=replica_urls)
    access = ServerAccess(
        name=server.name,
        admin_url=make_url(server.url),
        keys=current_keys(),
        pooler_url=make_url(server.pooler_url) if server.pooler_url else None,
        replica_urls=replica_urls,
        read_at=time.monotonic(),
    )
    if cached is not None and cached.admin_url == access.admin_url:
        access = replace(access, _kept=cached._kept)  # noqa: SLF001
    _cached_servers()[server.name] = access
    return access


def forget_server(name: str) -> None:
    """Drop a server from the cache, so that the next use reads it from the catalog."""
    if name != FIRST_SERVER:
        _cached_servers().pop(name, None)


def init_app(app: Flask, admin_url: URL, pooler_url: URL | None = None) -> None:
    """Register the first server."""
    with app.app_context():
        access = ServerAccess(FIRST_SERVER, admin_url, current_keys(), pooler_url)
    state_of(app).servers[FIRST_SERVER] = access


def _cached_servers() -> dict[str, ServerAccess]:
    return app_state().servers
