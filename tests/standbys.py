"""PostgreSQL servers for single tests: primaries, standbys, and an installation on them."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flask import Flask
from psycopg2 import OperationalError
from sqlalchemy import URL
from werkzeug.test import TestResponse

from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import DRIVER, Settings
from trially.database.connecting import connect
from trially.embedded_postgres.cluster import find_binaries
from trially.embedded_postgres.server import EmbeddedServer, start_embedded_server
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import DATA, find_postmaster, is_running, stop_server
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.installing import install
from trially.tenancy.servers.connections import execute

FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "100"}
"""Without fsync, a crash of the machine loses data; a killed server does not."""

PASSWORD = "password"
TIMEOUT_SECONDS = 30

_numbers = itertools.count(1)


@contextmanager
def server_folder() -> Iterator[Path]:
    """Create a folder for servers; stop them and delete the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="trially-servers-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        for directory in folder.iterdir():
            stop_using(directory)
            while is_running(directory):
                time.sleep(0.02)
        shutil.rmtree(folder)


def start(directory: Path, **settings: str) -> EmbeddedServer:
    return start_embedded_server(directory, settings=FAST | settings)


def restart(directory: Path) -> None:
    """Stop a server as `pg_ctl restart` does, which ends all sessions, and start it."""
    stop_server(directory)
    start(directory)


def kill(directory: Path) -> None:
    """Stop a server without a shutdown checkpoint, as `pg_ctl stop -m immediate` does."""
    postmaster = find_postmaster(directory / DATA)
    assert postmaster is not None
    os.kill(postmaster.process_id, signal.SIGQUIT)
    wait_until(lambda: not is_running(directory))


def start_standby(primary: EmbeddedServer, directory: Path) -> EmbeddedServer:
    """Copy a server into another folder, and start the copy as its standby."""
    data = directory / DATA
    directory.mkdir(mode=0o711)
    data.mkdir(mode=0o700)
    shutil.copy(primary.data_directory.parent / PASSWORD, directory / PASSWORD)
    account = pwd.getpwuid(primary.data_directory.stat().st_uid)
    for path in (data, directory / PASSWORD):
        os.chown(path, account.pw_uid, account.pw_gid)
    run_as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    subprocess.run(
        [
            find_binaries() / "pg_basebackup",
            f"--dbname=host={primary.socket_directory} port=5432 user={primary.superuser}",
            f"--pgdata={data}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": primary.password},
        cwd=directory,
        check=True,
        capture_output=True,
        **(run_as if os.geteuid() == 0 else {}),
    )
    return start(directory)


def url_of(*servers: EmbeddedServer, **query: str) -> URL:
    """Return an administrator's URL with several hosts, of which libpq takes the first suitable."""
    return URL.create(
        DRIVER,
        username=servers[0].superuser,
        password=servers[0].password,
        database="postgres",
        query={
            "host": ",".join(str(server.socket_directory) for server in servers),
            "port": ",".join("5432" for _ in servers),
            **query,
        },
    )


def text_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def ask(
    server: EmbeddedServer, statement: str, *parameters: Any, database: str = "postgres"
) -> Any:
    """Run a statement as the administrator."""
    with closing(connect(server.url(database))) as raw:
        return execute(raw, statement, *parameters)


def catch_up(standby: EmbeddedServer, primary: EmbeddedServer) -> None:
    """Wait until a standby has replayed all that its primary has flushed by now."""
    [(position,)] = ask(primary, "SELECT pg_current_wal_flush_lsn()")
    wait_until(lambda: ask(standby, "SELECT pg_last_wal_replay_lsn() >= %s", position)[0][0])


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, or raise TimeoutError."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OperationalError):
            if condition():
                return
        time.sleep(0.02)
    raise TimeoutError(f"The condition did not hold within {TIMEOUT_SECONDS} seconds.")


@dataclass
class Installation:
    """An app on the servers of one test."""

    app: Flask

    def run(self, *arguments: str, says: str = "") -> Any:
        """Run a `flask` command; `says` is its standard input."""
        return self.app.test_cli_runner().invoke(args=list(arguments), input=says)

    def make_tenant(self, **options: Any) -> Tenant:
        number = next(_numbers)
        with self.app.app_context():
            return create_tenant(f"placed-{number}", f"Placed {number}", **options)

    def make_client(self, tenant: Tenant) -> "Client":
        """Return an HTTP client of a new administrator of a tenant; it keeps cookies."""
        subject = f"placed|{next(_numbers)}"
        with self.app.app_context(), tenant_context(str(tenant.id)):
            add_member(subject, Role.ADMIN)
        return Client(self.app, tenant, subject)


class Client:
    """An HTTP client of a member."""

    def __init__(self, app: Flask, tenant: Tenant, subject: str) -> None:
        self._app, self._tenant, self._subject = app, tenant, subject
        self._client = app.test_client()
        issuer = state_of(app).dev_issuer
        self._token = issuer.issue_token(subject=subject, tenant=tenant.slug)

    def another(self) -> "Client":
        """Return a client of the same member without cookies."""
        return Client(self._app, self._tenant, self._subject)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self._open("GET", path, headers)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self._open("POST", path, headers, json=body)

    def add_patient(self, mrn: str) -> TestResponse:
        return self.post(
            "/patients",
            {
                "mrn": mrn,
                "given_name": "Ada",
                "family_name": "Example",
                "birth_date": "1960-05-17",
                "sex": "female",
            },
        )

    def add_site(self, name: str) -> TestResponse:
        return self.post("/sites", {"name": name})

    def _open(
        self, method: str, path: str, headers: dict[str, str], **options: Any
    ) -> TestResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Authorization"] = f"Bearer {self._token}"
        return self._client.open(f"/api/v1{path}", method=method, headers=sent, **options)


def install_on(url: URL, settings: Settings, folder: Path, **changes: Any) -> Installation:
    """Install trially, with its catalog on the server at `url`."""
    app = create_app(
        replace(
            settings,
            database_url=url,
            instance=folder / "instance",
            embedded_settings={},
            **changes,
        )
    )
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with app.app_context():
        install()
    return Installation(app)


SERVED_TIERS = (Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS)
