"""An installation with two servers and nine tenants of three tiers, that faults may damage."""

import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from flask import Flask
from psycopg2.extensions import connection
from sqlalchemy import URL

from faults.issuer import Issuer
from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import Settings, read_settings
from trially.database.connecting import connect
from trially.embedded_postgres.server import EmbeddedServer, start_embedded_server
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import DATA, find_postmaster, is_running
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.installing import install
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.registering import ServerOptions, add_server

FIRST, SECOND = "default", "second"
MAX_CONNECTIONS = 120
POSTGRES_SETTINGS = {"fsync": "off", "max_connections": str(MAX_CONNECTIONS)}
"""Without fsync, a crash of the machine would lose data; processes that are killed do not."""
TIERS = {
    "dedicated": Tier.DEDICATED_DATABASE,
    "schema": Tier.OWN_SCHEMA,
    "pooled": Tier.POOLED_ROWS,
}
REQUEST_TIMEOUT_MS = 5_000
STOP_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class LoadedTenant:
    """A tenant that the load serves."""

    slug: str
    id: str
    server: str
    database: str
    schema: str
    role: str
    token: str = field(repr=False)


@dataclass
class Server:
    """A PostgreSQL server of the installation."""

    name: str
    directory: Path
    url: URL

    def start(self) -> EmbeddedServer:
        """Start it, and wait until it accepts connections; or join it if it runs."""
        return start_embedded_server(self.directory, settings=POSTGRES_SETTINGS)

    def socket(self) -> Path:
        """Return the Unix socket on which it listens."""
        return Path(str(self.url.query["host"])) / f".s.PGSQL.{self.url.query['port']}"

    def processes(self) -> list[psutil.Process]:
        """Return the postmaster and all its children."""
        postmaster = find_postmaster(self.directory / DATA)
        if postmaster is None:
            return []
        parent = psutil.Process(postmaster.process_id)
        return [parent, *parent.children(recursive=True)]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the server."""
        for process in self.processes():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def wait_until_stopped(self) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while is_running(self.directory):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The server {self.name} did not stop.")
            time.sleep(0.02)

    @contextmanager
    def session(self, database: str) -> Iterator[connection]:
        """Open a connection of the administrator, past any proxy."""
        with closing(connect(self.url.set(database=database), "faults")) as raw:
            yield raw

    def ask(self, statement: Any, *parameters: Any, database: str = "postgres") -> list[Any]:
        """Run a statement as the administrator, past any proxy."""
        with self.session(database) as raw:
            return execute(raw, statement, *parameters)


@dataclass
class Installation:
    """An app's settings, its servers, its tenants and their issuer."""

    folder: Path
    settings: Settings
    app: Flask
    issuer: Issuer
    servers: dict[str, Server]
    tenants: tuple[LoadedTenant, ...]

    def environment(self, **changes: str) -> dict[str, str]:
        """Return environment variables that give other processes the same settings."""
        url = self.servers[FIRST].url.render_as_string(hide_password=False)
        return {**_plain_environment(), **self._settings(), "TRIALLY_DATABASE_URL": url, **changes}

    def tenant(self, slug: str) -> LoadedTenant:
        return next(tenant for tenant in self.tenants if tenant.slug == slug)

    def on(self, server: str) -> frozenset[str]:
        """Return the slugs of the tenants on one server."""
        return frozenset(tenant.slug for tenant in self.tenants if tenant.server == server)

    def run_command(self, *arguments: str) -> str:
        """Run a `flask` command, and return its output. Raises RuntimeError if it fails."""
        result = self.app.test_cli_runner().invoke(args=list(arguments))
        if result.exit_code:
            raise RuntimeError(f"flask {' '.join(arguments)}: {result.output}")
        return str(result.output)

    def _settings(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith("TRIALLY_")}


@contextmanager
def installation(
    first: URL | None = None,
    names: Sequence[str] = ("one", "two"),
    *,
    allows_doubles: bool = True,
) -> Iterator[Installation]:
    """Install trially in a temporary folder; stop the servers and delete it at the end.

    `first` is the administrator's URL of the first server. Without it, an embedded server is
    started. Each server has one tenant of each tier for each of its names. With `allows_doubles`,
    no constraint of the tables refuses a patient that is written twice.
    """
    folder = Path(tempfile.mkdtemp(prefix="trially-faults-")).resolve()
    folder.chmod(0o711)  # if we are root, PostgreSQL runs as another user
    former = dict(os.environ)
    servers = {}
    try:
        with Issuer().serving() as issuer:
            if first is None:
                servers = {name: _start_server(folder, name) for name in (FIRST, SECOND)}
            else:
                servers = {FIRST: Server(FIRST, folder / FIRST, first)}
            _set_environment(folder, issuer, servers[FIRST].url)
            settings = read_settings(folder / "instance")
            app = create_app(settings)
            with app.app_context():
                install()
                if SECOND in servers:
                    add_server(SECOND, servers[SECOND].url, ServerOptions())
            tenants = tuple(_make_tenants(app, issuer, servers, names))
            for tenant in tenants if allows_doubles else ():
                _allow_doubles(servers[tenant.server], tenant)
            yield Installation(folder, settings, app, issuer, servers, tenants)
    finally:
        os.environ.clear()
        os.environ.update(former)
        for server in servers.values() if first is None else ():
            server.signal(signal.SIGCONT)
            stop_using(server.directory)
            server.wait_until_stopped()
        time.sleep(0.2)
        shutil.rmtree(folder, ignore_errors=True)


def _plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}


def _set_environment(folder: Path, issuer: Issuer, url: URL) -> None:
    for name in [name for name in os.environ if name.startswith("TRIALLY_")]:
        del os.environ[name]
    (folder / "instance").mkdir()
    os.environ |= {
        "TRIALLY_INSTANCE": str(folder / "instance"),
        "TRIALLY_DEVELOPMENT": "1",  # an issuer on loopback without https
        "TRIALLY_SECRET_KEY": secrets.token_urlsafe(32),
        "TRIALLY_DATABASE_URL": url.render_as_string(hide_password=False),
        "TRIALLY_ISSUERS": issuer.url,
        "TRIALLY_DEV_ISSUER": "0",
        "TRIALLY_REQUEST_TIMEOUT_MS": str(REQUEST_TIMEOUT_MS),
    }


def _start_server(folder: Path, name: str) -> Server:
    directory = folder / name
    server = start_embedded_server(directory, settings=POSTGRES_SETTINGS)
    return Server(name, directory, server.url())


def _make_tenants(
    app: Flask, issuer: Issuer, servers: dict[str, Server], names: Sequence[str]
) -> Iterator[LoadedTenant]:
    """Create two tenants of each tier on the first server, and one on the second."""
    for server in servers:
        for tier_name, tier in TIERS.items():
            for name in names if server == FIRST else ("far",):
                slug = f"{tier_name}-{name}"
                with app.app_context():
                    tenant = create_tenant(slug, slug, tier=tier, server=server)
                    placement = tenant.placement
                    with tenant_context(slug):
                        add_member("faults", Role.ADMIN)
                yield LoadedTenant(
                    slug,
                    str(tenant.id),
                    server,
                    placement.database,
                    placement.schema,
                    placement.role,
                    issuer.token("faults", slug),
                )


def _allow_doubles(server: Server, tenant: LoadedTenant) -> None:
    """Drop the unique constraint on MRNs, so that a doubled write is stored and not refused."""
    statement = (
        "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype = 'u'"
        " AND pg_get_constraintdef(oid) LIKE '%%mrn%%'"
    )
    table = f'"{tenant.schema}".patient'
    for (name,) in server.ask(statement, table, database=tenant.database):
        server.ask(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"', database=tenant.database)
