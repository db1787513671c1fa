"""Run a real PgBouncer in front of the tests' server, as deploy/pgbouncer.ini has it."""

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
from trially.database.engines import connect

SAMPLE = ROOT / "deploy" / "pgbouncer.ini"
MISSING = "PgBouncer is not installed: as root, `apt-get install pgbouncer` (docs/poolers.md)."
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
"""Debian puts it where only root looks."""

SINCE_1_19 = ("auth_user", "auth_dbname", "auth_query")
"""What the sample has and Debian 12's version has not: it asks each database, not one for all."""

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
        """Let in whoever may log in to the server by now."""
        verifiers = _read_verifiers(self.app)
        if verifiers.keys() <= self._users():
            return
        _write_users(self.folder, verifiers, self._console_password)
        self.process.send_signal(signal.SIGHUP)
        _wait_until(lambda: verifiers.keys() <= self._users())

    def show(self, what: str) -> list[dict[str, Any]]:
        """Ask PgBouncer's own console."""
        with closing(connect(self._console)) as raw, cursor(raw) as asking:
            asking.execute(f"SHOW {what}")
            names = [column.name for column in asking.description or ()]
            return [dict(zip(names, row, strict=True)) for row in asking.fetchall()]

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
    """Run a PgBouncer on a free loopback port, with the sample's settings but for `changes`.

    `users` are those of its file, with their passwords; without, it is told of each login role.
    """
    program = shutil.which("pgbouncer", path=PLACES)
    if program is None:
        pytest.skip(MISSING)
    server = access_of(app).admin_url
    folder = Path(tempfile.mkdtemp(prefix="trially-pooler-"))
    (folder / "console").write_text(secrets.token_urlsafe(16))
    port = _free_port()
    known = _read_verifiers(app) if users is None else users
    _write_users(folder, known, (folder / "console").read_text())
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
            **({"user": account, "extra_groups": []} if os.geteuid() == 0 else {}),
        )
    url = URL.create(DRIVER, host="127.0.0.1", port=port)
    pooler = Pooler(app, folder, url, process)
    try:
        _wait_until(lambda: _answers(pooler))
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
    for name in SINCE_1_19:
        del settings["pgbouncer"][name]
    settings["pgbouncer"].update(
        listen_port=str(port),
        auth_file=str(folder / "users"),
        admin_users=CONSOLE,
        **changes,
    )
    with (folder / "pgbouncer.ini").open("w") as file:
        settings.write(file)


def _write_users(folder: Path, verifiers: dict[str, str], console_password: str) -> None:
    known = {**verifiers, CONSOLE: console_password}
    (folder / "users").write_text("".join(f'"{name}" "{key}"\n' for name, key in known.items()))


def _read_verifiers(app: Flask) -> dict[str, str]:
    """Read what auth_query would answer, of all roles that log in."""
    rows = ask(app, "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND NOT rolsuper")
    return {name: key for name, key in rows if key}


def _account_of_server(server: URL) -> int:
    """Return the user who may use the server's socket: PgBouncer, too, refuses to run as root."""
    return Path(str(server.query["host"])).stat().st_uid


def _answers(pooler: Pooler) -> bool:
    if pooler.process.poll() is not None:
        raise RuntimeError((pooler.folder / "log").read_text())
    with suppress(psycopg2.OperationalError):
        return bool(pooler.show("VERSION"))
    return False


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("PgBouncer does not do what it was asked for.")
        time.sleep(0.02)


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])
