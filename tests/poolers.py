"""Run a real PgBouncer in front of the tests' server, with deploy/pgbouncer.ini."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from flask import Flask
from psycopg2.extensions import cursor
from sqlalchemy import URL
from tenant_databases import access_of, ask

from trially.config import DRIVER, ROOT
from trially.database.connecting import connect

SAMPLE = ROOT / "deploy" / "pgbouncer.ini"
MISSING = "PgBouncer is missing. Install it as root: `apt-get install pgbouncer` (docs/poolers.md)."
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
"""Debian installs pgbouncer in a folder that is only in root's PATH."""

CONSOLE = "console"
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer."""

    app: Flask
    folder: Path
    url: URL
    process: "subprocess.Popen[bytes]"

    def learn_roles(self) -> None:
        """Load the login roles that the server has by now, so that they can log in."""
        verifiers = _read_verifiers(self.app)
        if verifiers.keys() <= self._users():
            return
        _write_users(self.folder, verifiers, self._console_password)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifiers.keys() <= self._users())

    def show(self, topic: str) -> list[dict[str, Any]]:
        """Return the rows of a SHOW command of PgBouncer's console."""
        with closing(connect(self._console)) as raw, cursor(raw) as console:
            console.execute(f"SHOW {topic}")
            names = [column.name for column in console.description or ()]
            return [dict(zip(names, row, strict=True)) for row in console.fetchall()]

    @property
    def _console(self) -> URL:
        return self.url.set(username=CONSOLE, password=self._console_password, database="pgbouncer")

    @property
    def _console_password(self) -> str:
        return (self.folder / "console").read_text()

    def _users(self) -> set[str]:
        return {user["name"] for user in self.show("USERS")}


@contextmanager
def running_pooler(
    app: Flask, users: dict[str, str] | None = None, **changes: str
) -> Iterator[Pooler]:
    """Run PgBouncer on a free loopback port, with the sample's settings and `changes` to them.

    `users` maps the names in its users file to passwords. The default is all login roles of the
    server with their verifiers.
    """
    program = shutil.which("pgbouncer", path=PLACES)
    if program is None:
        pytest.skip(MISSING)
    server = access_of(app).admin_url
    folder = Path(tempfile.mkdtemp(prefix="trially-pooler-"))
    (folder / "console").write_text(secrets.token_urlsafe(16))
    port = _free_port()
    keys = _read_verifiers(app) if users is None else users
    _write_users(folder, keys, (folder / "console").read_text())
    _write_settings(folder, server, port, changes)
    account = _account_of_server(server)
    for path in (folder, *folder.iterdir()):
        os.chown(path, account, -1)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "pgbouncer.ini")],
            stdout=log,
            stderr=log,
            cwd=folder,
            **run_as_account_of(folder),
        )
    url = URL.create(DRIVER, host="127.0.0.1", port=port)
    pooler = Pooler(app, folder, url, process)
    try:
        wait_until(lambda: _answers(pooler))
        yield pooler
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _write_settings(folder: Path, server: URL, port: int, changes: dict[str, str]) -> None:
    settings = ConfigParser(delimiters=("=",), inline_comment_prefixes=None, interpolation=None)
    settings.read(SAMPLE)
    for database in settings["databases"]:
        settings["databases"][database] = f"host={server.query['host']} port={server.query['port']}"
    settings["pgbouncer"].update(
        listen_port=str(port),
        auth_file=str(folder / "users"),
        admin_users=CONSOLE,
        **changes,
    )
    with (folder / "pgbouncer.ini").open("w") as file:
        settings.write(file)


def _write_users(folder: Path, verifiers: dict[str, str], console_password: str) -> None:
    keys = {**verifiers, CONSOLE: console_password}
    (folder / "users").write_text("".join(f'"{name}" "{key}"\n' for name, key in keys.items()))


def _read_verifiers(app: Flask) -> dict[str, str]:
    """Return the SCRAM verifiers of all login roles."""
    rows = ask(app, "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND NOT rolsuper")
    return {name: key for name, key in rows if key}


def run_as_account_of(folder: Path) -> dict[str, Any]:
    """Return options of `subprocess` for a process of the folder's owner."""
    return {"user": folder.stat().st_uid, "extra_groups": []} if os.geteuid() == 0 else {}


def _account_of_server(server: URL) -> int:
    """Return the user who owns the server's socket. PgBouncer, too, refuses to run as root."""
    return Path(str(server.query["host"])).stat().st_uid


def _answers(pooler: Pooler) -> bool:
    if pooler.process.poll() is not None:
        raise RuntimeError((pooler.folder / "log").read_text())
    with suppress(psycopg2.OperationalError):
        return bool(pooler.show("VERSION"))
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, at most TIMEOUT_SECONDS."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"PgBouncer was not ready within {TIMEOUT_SECONDS} seconds.")
        time.sleep(0.02)


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])
