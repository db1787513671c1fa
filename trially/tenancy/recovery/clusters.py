"""A recovered cluster: a server that only one process of one operator can reach, for a short time.

It stays in recovery, so it only reads. It listens on a socket in a private folder, and admits the
administrator alone, by the account of the operating system that runs the restore. It starts no
replication and archives nothing. It ends with the process that uses it, also if that is killed.
"""

import datetime as dt
import fcntl
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg2
from sqlalchemy import URL

from trially.config import DRIVER, current_settings
from trially.database.connecting import connect
from trially.embedded_postgres.accounts import (
    Account,
    allow_read,
    allow_search,
    prepare_directory,
)
from trially.embedded_postgres.readiness import PORT
from trially.embedded_postgres.sharing import (
    DETACHED,
    open_private,
    run_program,
    start_using,
    start_watcher,
    stop_using,
)
from trially.embedded_postgres.watcher import SERVER_LOCK, is_running, stop_server
from trially.tenancy.recovery.base_backups import Laid
from trially.tenancy.recovery.errors import EndOfWalError, RecoveryError
from trially.tenancy.recovery.programs import programs_for, settings_of_primary
from trially.tenancy.servers.connections import execute

LIFETIME_SECONDS = 4 * 3600.0
"""How long a recovered cluster runs at most, counted from its start."""

LOG = "server.log"
POLL_SECONDS = 0.05

_FIXED = {
    "listen_addresses": "",
    "port": PORT,
    "archive_mode": "off",
    "hot_standby": "on",
    "primary_conninfo": "",
    "recovery_target_action": "pause",
    "recovery_target_timeline": "latest",
    "max_logical_replication_workers": "0",
    "max_replication_slots": "0",
    "shared_preload_libraries": "",
    "ssl": "off",
    "fsync": "off",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    # No message of a recovery holds a row, and none of a statement may reach the log.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
}
"""The data directory's own settings are not read: they may listen, archive or load libraries."""

_TARGET_TIME = "recovery_target_time"
_REDO_DONE = re.compile(r"redo done at ([0-9A-F]+/[0-9A-F]+)")
_LAST_COMMIT = re.compile(r"last completed transaction was at log time (.+)$", re.MULTILINE)
_REACHED = "recovery stopping"
_ENDED_BEFORE = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True)
class RecoveredCluster:
    """The folder of a recovered cluster."""

    directory: Path
    administrator: str
    """The role that may connect."""

    @property
    def sockets(self) -> Path:
        """The folder of the socket, whose path is short."""
        return Path(tempfile.gettempdir(), f"trially-recovery-{self.directory.name[-12:]}")

    @property
    def is_laid(self) -> bool:
        """Whether everything that a recovery needs is there."""
        return (self.directory / "postgresql.conf").exists()

    def create(self) -> None:
        """Create the folder, empty. What a killed process has left there is removed."""
        self.remove()
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700)

    def configure(self, laid: Laid, at: dt.datetime) -> None:
        """Write the cluster's settings. After that it can be started, again and again."""
        account = prepare_directory(self.directory)
        programs = programs_for(laid.data)
        for name in ("postgresql.auto.conf", "standby.signal", "postmaster.pid"):
            (laid.data / name).unlink(missing_ok=True)
        (laid.data / "recovery.signal").touch()
        settings = {
            **_FIXED,
            **settings_of_primary(programs, laid.data),
            "unix_socket_directories": str(self.sockets),
            "restore_command": laid.restore_command,
            _TARGET_TIME: at.astimezone(dt.UTC).isoformat(),
        }
        user = pwd.getpwuid(os.geteuid()).pw_name
        self._write("pg_ident.conf", f'operator "{user}" "{self.administrator}"\n')
        self._write("pg_hba.conf", f'local all "{self.administrator}" peer map=operator\n')
        if account is not None:
            command = ["chown", "-R", f"{account.pw_uid}:{account.pw_gid}", str(self.directory)]
            subprocess.run(command, check=True)  # noqa: S603
            allow_search(laid.data, account)
            allow_read(programs.parent, account)
        self._write("postgresql.conf", _as_text(settings))

    @contextmanager
    def running(self) -> Iterator[URL]:
        """Run the cluster for the block, at the time it was configured for. Yield its URL.

        Raises `OutsideIntervalError` if the stored WAL ends before that time.
        """
        timer = threading.Timer(LIFETIME_SECONDS, stop_server, (self.directory,))
        timer.daemon = True
        start_using(self.directory)
        try:
            start_watcher(self.directory)
            self._start()
            timer.start()
            try:
                self._wait_for_target()
            except EndOfWalError as error:
                self._stop_at(error)
                self._start()
                self._wait_for_target()
            yield self._url("postgres")
        finally:
            timer.cancel()
            stop_server(self.directory)
            stop_using(self.directory)

    def remove(self) -> None:
        """Stop the cluster, and delete its files."""
        if self.directory.exists():
            stop_server(self.directory)
            shutil.rmtree(self.directory)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _start(self) -> None:
        account = prepare_directory(self.directory)
        data = self.directory / "data"
        self._create_sockets(account)
        command = [*DETACHED, str(programs_for(data) / "postgres"), "-D", str(data)]
        for name in ("config_file=postgresql", "hba_file=pg_hba", "ident_file=pg_ident"):
            setting, _, file = name.partition("=")
            command += ["-c", f"{setting}={self.directory / file}.conf"]
        lock = open_private(self.directory / SERVER_LOCK)
        (self.directory / LOG).unlink(missing_ok=True)
        log = open_private(self.directory / LOG)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            run_program(command, lock, folder=self.directory, output=log, account=account)
        finally:
            os.close(lock)
            os.close(log)

    def _create_sockets(self, account: Account) -> None:
        shutil.rmtree(self.sockets, ignore_errors=True)
        self.sockets.mkdir(mode=0o700)
        if account is not None:
            os.chown(self.sockets, account.pw_uid, account.pw_gid)

    def _wait_for_target(self) -> None:
        """Wait until the cluster is as it was at the time, and pauses there."""
        while is_running(self.directory):
            try:
                with closing(connect(self._url("postgres"), "trially-recovery")) as raw:
                    if execute(raw, "SELECT pg_get_wal_replay_pause_state()") == [("paused",)]:
                        self._check_target()
                        return
            except psycopg2.OperationalError:
                pass  # It accepts no connections until its rows are consistent.
            time.sleep(POLL_SECONDS)
        raise self._explain()

    def _check_target(self) -> None:
        """Raise `RecoveryError` if the cluster pauses for another reason than its time.

        PostgreSQL also pauses where a setting of the server was raised, such as `max_connections`.
        """
        if _REACHED not in (self.directory / LOG).read_text("utf-8", "replace"):
            raise RecoveryError(
                "Between the base backup and the time, settings of the server were raised, so the"
                " recovered cluster cannot be read there. Use a base backup of after the change, or"
                " a time before it."
            )

    def _stop_at(self, end: EndOfWalError) -> None:
        """Let the next recovery stop behind the last stored record, if its time was asked for.

        PostgreSQL stops at a time only in front of a later commit, and here is none.
        """
        file = self.directory / "postgresql.conf"
        lines = file.read_text("utf-8").splitlines(keepends=True)
        [asked] = [each for each in lines if each.startswith(f"{_TARGET_TIME} =")] or [""]
        is_asked = end.last_commit is not None and end.last_commit.isoformat() in asked
        if end.position is None or not is_asked:
            raise end
        kept = [each for each in lines if each != asked]
        self._write(file.name, "".join(kept) + f"recovery_target_lsn = '{end.position}'\n")

    def _explain(self) -> RecoveryError:
        log = (self.directory / LOG).read_text("utf-8", "replace")
        if _ENDED_BEFORE in log:
            commit, position = _LAST_COMMIT.search(log), _REDO_DONE.search(log)
            return EndOfWalError(
                dt.datetime.fromisoformat(commit[1].strip()) if commit else None,
                position[1] if position else None,
            )
        last = [line for line in log.splitlines() if line.strip()][-3:]
        return RecoveryError(
            "The recovered cluster did not start. Its log ends with: " + " ".join(last)
        )

    def _url(self, database: str) -> URL:
        return URL.create(
            DRIVER,
            username=self.administrator,
            database=database,
            query={"host": str(self.sockets), "port": PORT},
        )

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.unlink(missing_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)


def cluster_of(operation_id: UUID, administrator: str) -> RecoveredCluster:
    """Return the recovered cluster of an operation."""
    return RecoveredCluster(recovery_directory() / operation_id.hex, administrator)


def recovery_directory() -> Path:
    """Return the folder of recovered clusters."""
    settings = current_settings()
    return (settings.recovery_directory or settings.instance / "recovery").resolve()


def require_room(size: int) -> None:
    """Raise `RecoveryError` if the disk has no room for a cluster of so many bytes and its WAL."""
    folder = recovery_directory()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size * 1.2:
        raise RecoveryError(
            f"{folder} has {free / 1e9:.1f} GB free, and the recovered cluster needs some"
            f" {size * 1.2 / 1e9:.1f} GB. Set TRIALLY_RECOVERY_DIRECTORY to a larger disk."
        )


def _as_text(settings: Mapping[str, str]) -> str:
    lines = []
    for name, value in settings.items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    return "".join(lines)
