"""Run a PostgreSQL that the machine has installed, in place of the embedded one.

`TEST_POSTGRES_BIN` names the folder of its programs. `make test-postgres-15` runs the attacks on
pooled rows on PostgreSQL 15 in this way, the oldest supported version.
"""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from trially.embedded_postgres.cluster import DEFAULT_SETTINGS

BINARIES = "TEST_POSTGRES_BIN"
OLDEST = (15, 20)
"""The oldest release that is supported: it has the security fixes of November 2026."""

REMEDY = (
    "Install 15.20 or newer as root: `apt-get update && apt-get install postgresql-15`."
    " TEST_POSTGRES_BIN must name the folder of its programs."
)

ACCOUNT = "postgres"
"""The account of Debian's package. PostgreSQL refuses to run as root."""

LATER_SETTINGS = {"max_active_replication_origins": 18}
"""Settings with the major version that has them first."""


def installed_binaries() -> Path | None:
    """Return the folder in `TEST_POSTGRES_BIN`, or None if the embedded PostgreSQL is tested."""
    folder = os.environ.get(BINARIES)
    return Path(folder) if folder else None


def version_of(binaries: Path) -> tuple[int, int]:
    """Return the version of the programs in a folder; fail if it is older than supported."""
    program = binaries / "postgres"
    assert program.exists(), f"{program} does not exist. {REMEDY}"
    command = [program, "--version"]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    major, minor = (int(part) for part in words[2].split("."))
    assert (major, minor) >= OLDEST, f"PostgreSQL {words[2]} lacks security fixes. {REMEDY}"
    return major, minor


@contextmanager
def running_installed_server(binaries: Path, settings: dict[str, str]) -> Iterator[URL]:
    """Run a server in a new folder, and yield the superuser's URL."""
    major, _ = version_of(binaries)
    folder = Path(tempfile.mkdtemp(prefix="trially-postgres-"))
    account = pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None
    password = folder / "password"
    password.write_text(secrets.token_urlsafe(24))
    if account is not None:
        for path in (folder, password):
            os.chown(path, account.pw_uid, account.pw_gid)
    lines = [
        f"{name} = '{value}'\n"
        for name, value in {**DEFAULT_SETTINGS, **settings}.items()
        if LATER_SETTINGS.get(name, 0) <= major
    ]

    def run(program: str, *arguments: Any) -> None:
        subprocess.run(
            [binaries / program, *arguments],
            check=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=None if account is None else [],
            timeout=60,
        )

    data, log = folder / "data", folder / "server.log"
    secure = ("--auth=scram-sha-256", f"--pwfile={password}")
    try:
        run("initdb", "-D", data, "-U", ACCOUNT, *secure, "--locale=C.UTF-8", "--no-sync")
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.writelines(
                [*lines, "listen_addresses = ''\n", f"unix_socket_directories = '{folder}'\n"]
            )
        run("pg_ctl", "start", "-D", data, "-l", log, "-w", "-t", "50")
        try:
            yield URL.create(
                "postgresql+psycopg2",
                username=ACCOUNT,
                password=password.read_text(),
                database="postgres",
                query={"host": str(folder), "port": "5432"},
            )
        finally:
            run("pg_ctl", "stop", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder)
