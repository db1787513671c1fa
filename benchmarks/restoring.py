"""The yardstick of a copy: `pg_dump -Fc | pg_restore` of the same tenant's database."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL

from trially.embedded_postgres.cluster import find_binaries

SCHEMAS = ("trially", "tenant")
TARGET = "restored"
STEP_SECONDS = 600


def dump_and_restore(source: URL, target: URL) -> float:
    """Copy a tenant's database to a new one on the target's server, and return the seconds.

    `source` names the database. The new database is dropped again.
    """
    programs, roles = find_binaries(), ["--no-owner", "--no-privileges"]
    schemas = [f"--schema={schema}" for schema in SCHEMAS]
    run([programs / "createdb", "--template=template0", TARGET], target)
    try:
        begun = time.monotonic()
        dump = subprocess.Popen(
            [programs / "pg_dump", "-Fc", *schemas, *roles, str(source.database)],
            env=libpq_environment(source),
            stdout=subprocess.PIPE,
        )
        restore = subprocess.run(
            [programs / "pg_restore", "--exit-on-error", *roles, f"--dbname={TARGET}"],
            env=libpq_environment(target),
            stdin=dump.stdout,
            check=False,
            timeout=STEP_SECONDS,
        )
        if dump.wait(STEP_SECONDS) or restore.returncode:
            raise SystemExit("The yardstick, pg_dump | pg_restore, failed.")
        return time.monotonic() - begun
    finally:
        run([programs / "dropdb", "--force", TARGET], target)


def run(command: Sequence[Path | str], url: URL) -> None:
    """Run a program of PostgreSQL on a server."""
    subprocess.run(command, env=libpq_environment(url), check=True, timeout=STEP_SECONDS)


def libpq_environment(url: URL) -> dict[str, str]:
    """Return the environment in which libpq's programs reach a server."""
    place = {"PGHOST": str(url.query["host"]), "PGPORT": str(url.query["port"])}
    user = {"PGUSER": str(url.username), "PGPASSWORD": str(url.password)}
    return {"PATH": os.environ.get("PATH", ""), **place, **user}
