"""A PgBouncer before the first server, from deploy/pgbouncer.ini."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from faults.children import tied
from faults.ports import free_port
from faults.scene import CannotRunError, Scene
from trially.config import DRIVER, ROOT

SAMPLE = ROOT / "deploy" / "pgbouncer.ini"
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
PER_DATABASE = ("auth_user", "auth_dbname", "auth_query")
"""Replaced by a file of all roles, because older versions do not know all of them."""

START_TIMEOUT_SECONDS = 10


@contextmanager
def with_pooler(scene: Scene) -> Iterator[dict[str, str]]:
    """Let the transactions of the first server's tenants go through PgBouncer."""
    program = shutil.which("pgbouncer", path=PLACES)
    if program is None:
        raise CannotRunError("PgBouncer is not installed.")
    folder, port = scene.installation.folder / "pooler", free_port()
    folder.mkdir()
    _write_settings(scene, folder, port)
    account = (scene.first.directory / "data").stat().st_uid
    for path in (folder, *folder.iterdir()):
        os.chown(path, account, -1)
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(_start(program, folder, account, port))
        scene.pooler_id = running[-1].pid

    scene.restart_pooler = start
    start()
    url = URL.create(DRIVER, host="127.0.0.1", port=port)
    try:
        yield {"TRIALLY_POOLER_URL": url.render_as_string()}
    finally:
        for process in running:
            process.kill()
            process.wait()
        shutil.rmtree(folder)


def _start(program: str, folder: Path, account: int, port: int) -> "subprocess.Popen[bytes]":
    is_root = os.geteuid() == 0
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            tied([program, str(folder / "pgbouncer.ini")]),
            stdout=log,
            stderr=log,
            cwd=folder,
            user=account if is_root else None,
            extra_groups=[] if is_root else None,
        )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text()) from None
            time.sleep(0.05)
        else:
            return process


def _write_settings(scene: Scene, folder: Path, port: int) -> None:
    settings = ConfigParser(delimiters=("=",), inline_comment_prefixes=None, interpolation=None)
    settings.read(SAMPLE)
    query: Any = scene.first.url.query
    for database in settings["databases"]:
        settings["databases"][database] = f"host={query['host']} port={query['port']}"
    section = settings["pgbouncer"]
    for name in PER_DATABASE:
        section.pop(name, None)
    section.update({"listen_port": str(port), "auth_file": str(folder / "users")})
    with (folder / "pgbouncer.ini").open("w") as file:
        settings.write(file)
    statement = "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND NOT rolsuper"
    keys = [f'"{name}" "{key}"\n' for name, key in scene.first.ask(statement) if key]
    (folder / "users").write_text("".join(keys))
