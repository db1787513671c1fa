"""A throw-away copy of the repository, whose `make run` serves the demo tenants."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from documentation import preloaded_flask
from documentation.preloaded_flask import write_program

from trially.config import ROOT
from trially.embedded_postgres.cluster import find_binaries
from trially.embedded_postgres.server import start_embedded_server
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import is_running
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

START_SECONDS = 120.0
END_SECONDS = 30.0
FAST_AND_LOSABLE = "fsync=off,synchronous_commit=off,full_page_writes=off"
DOCUMENTED_PORT = "5000"
SOCKET = "flask.socket"
WRITTEN_HERE = ("bin", "activate", "flask", ".installed*")
"""Entries of the virtual environment that are not links to the entries of this process's own."""


@dataclass(frozen=True)
class Clone:
    """The copy, with its server running."""

    folder: Path
    port: int
    environment: dict[str, str]
    server_output: Path

    def adapt(self, command: str) -> str:
        """Return a page's command for this copy's port."""
        return command.replace(f"127.0.0.1:{DOCUMENTED_PORT}", f"127.0.0.1:{self.port}")

    def restore(self, output: str) -> str:
        """Return output as it would be with the port of the pages."""
        return output.replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{DOCUMENTED_PORT}")


@contextmanager
def running_clone() -> Iterator[Clone]:
    """Copy the repository's files, and start `make run` there."""
    parent = Path(tempfile.mkdtemp(prefix="trially-pages-"))
    parent.chmod(0o755)  # PostgreSQL may run as another user
    folder = parent / "trially"
    _copy_repository(folder)
    port = _free_port()
    clone = Clone(folder, port, _environment(port), parent / "make-run.txt")
    with clone.server_output.open("w") as output:
        server = subprocess.Popen(
            ["make", "run", f"PORT={port}"],
            cwd=folder,
            env=clone.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    commands = subprocess.Popen(
        [sys.executable, str(Path(preloaded_flask.__file__)), str(parent / SOCKET)],
        cwd=folder,
        env=clone.environment,
        start_new_session=True,
    )
    try:
        _await_server(clone, server)
        _write_settings_of_pages(folder)
        yield clone
    finally:
        for process in (server, commands):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
        _await_end_of_database(folder / "instance" / EMBEDDED_DIRECTORY)
        shutil.rmtree(parent)


def _copy_repository(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    _link_virtual_environment(folder / ".venv")


def _link_virtual_environment(folder: Path) -> None:
    """Make a `.venv` that has this process's packages and counts as installed."""
    original = Path(sys.prefix)
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for entry in [*original.iterdir(), *(original / "bin").iterdir()]:
        if not any(fnmatch(entry.name, pattern) for pattern in WRITTEN_HERE):
            (folder / entry.relative_to(original)).symlink_to(entry)
    for stamp in {".installed", *(path.name for path in original.glob(".installed*"))}:
        (folder / stamp).touch()
    activate = (original / "bin" / "activate").read_text()
    (programs / "activate").write_text(
        re.sub(r"(?m)^(\s*VIRTUAL_ENV=).*", rf"\1{folder}", activate)
    )
    write_program(programs / "flask", folder.parent.parent / SOCKET)


def _environment(port: int) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("TRIALLY_", "WEB_", "VIRTUAL_ENV", "PYTHON", "TEST_", "PYTEST"))
    }  # fmt: skip
    return kept | {
        "PATH": os.pathsep.join(
            part
            for part in kept.get("PATH", os.defpath).split(os.pathsep)
            if Path(part).resolve() != Path(sys.prefix, "bin").resolve()
        ),
        "TRIALLY_EMBEDDED_SETTINGS": FAST_AND_LOSABLE,
        "TRIALLY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "COLUMNS": "200",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


def _write_settings_of_pages(folder: Path) -> None:
    """Write what pages assume that a reader has set, such as `before: . ../production.sh`.

    `production.sh` has the settings of a second installation, in production, on the same PostgreSQL
    server. `administrator.sh` lets PostgreSQL's programs log in as that server's administrator.
    """
    directory = folder / "instance" / EMBEDDED_DIRECTORY
    server = start_embedded_server(directory)
    stop_using(directory)
    url = server.url().render_as_string(hide_password=False)
    (folder.parent / "administrator.sh").write_text(f"""\
export PGHOST='{server.socket_directory}' PGPORT='{server.url().query["port"]}'
export PGUSER='{server.superuser}' PGPASSWORD='{server.password}' PATH="{find_binaries()}:$PATH"
""")
    (folder.parent / "production.sh").write_text(f"""\
unset TRIALLY_DEVELOPMENT TRIALLY_EMBEDDED_SETTINGS TRIALLY_PUBLIC_URL
export TRIALLY_DATABASE_URL='{url}'
export TRIALLY_SECRET_KEY='{secrets.token_urlsafe(48)}'
export TRIALLY_ISSUERS=https://login.example.org
export TRIALLY_CATALOG_DATABASE=production_catalog
export PORT={_free_port()} WEB_CONCURRENCY=1 TRIALLY_PROCESSES=1
""")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_server(clone: Clone, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listens(clone.port):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"`make run` does not serve: {clone.server_output.read_text()}")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _await_end_of_database(directory: Path) -> None:
    """Wait for the embedded server, which ends after the last process that uses it."""
    deadline = time.monotonic() + END_SECONDS
    while is_running(directory) and time.monotonic() < deadline:
        time.sleep(0.05)
