"""Barman, run as a program on this host (decision 0051)."""

import datetime as dt
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trially.config import current_settings
from trially.tenancy.recovery.base_backups import BaseBackup, Laid
from trially.tenancy.recovery.errors import BackupToolError

SHOWN_LINES = 3

_ROUNDING = dt.timedelta(seconds=1)
"""Barman tells the end of a base backup in whole seconds, rounded down."""

_WAL_NAME = 24
"""How many characters the name of a WAL file has."""

_LOG_NAME = 16
"""How many of them name the folder in which Barman keeps the file."""


@dataclass(frozen=True)
class Barman:
    """The server that has this name in Barman's configuration."""

    name: str

    @property
    def receiver(self) -> str:
        """`application_name` of the session that streams WAL from the server."""
        return str(self._settings()["streaming_archiver_name"])

    @property
    def slot(self) -> str | None:
        """Name of the replication slot that keeps WAL for Barman."""
        name = self._settings()["slot_name"]
        return None if name is None else str(name)

    @property
    def retention(self) -> str | None:
        """The policy, such as `RECOVERY WINDOW OF 14 DAYS`."""
        policy = self._settings().get("retention_policy")
        return None if policy in (None, "", "None") else str(policy)

    def back_up(self) -> BaseBackup:
        """Take a base backup, and wait until the WAL that it needs is there too."""
        self._run("backup", self.name, "--wait")
        return self.base_backups()[-1]

    def base_backups(self) -> Sequence[BaseBackup]:
        """Return the complete base backups, oldest first."""
        found = [
            BaseBackup(
                each["backup_id"],
                dt.datetime.fromtimestamp(int(each["end_time_timestamp"]), dt.UTC) + _ROUNDING,
                int(each["size_bytes"]),
            )
            for each in self._ask("list-backups", self.name)
            if each["status"] == "DONE"
        ]
        return sorted(found, key=lambda backup: backup.usable_from)

    def newest_wal_at(self) -> dt.datetime | None:
        """Return when the newest WAL file was last written, also one that is not full yet."""
        settings = self._settings()
        folders = (settings["streaming_wals_directory"], settings["wals_directory"])
        files = [
            each for folder in folders for each in Path(folder).rglob("[0-9A-F]*") if each.is_file()
        ]
        times = [each.stat().st_mtime for each in files if len(each.stem) == _WAL_NAME]
        return dt.datetime.fromtimestamp(max(times), dt.UTC) if times else None

    def take_in(self, file: str) -> bool:
        """Take in the WAL files that have arrived. Return whether this one can be used now."""
        self._run("archive-wal", self.name)
        folder = Path(self._settings()["wals_directory"])
        return (folder / file[:_LOG_NAME] / file).exists()

    def lay(self, backup: BaseBackup, at: dt.datetime, directory: Path) -> Laid:
        """Lay a base backup and the WAL up to a time into an empty directory."""
        data, wal = directory / "data", directory / "wal"
        if shutil.which("rsync") is None:
            raise BackupToolError(
                "Barman lays base backups with rsync, which is not installed. Install it:"
                " `apt-get install rsync`."
            )
        if places := self._ask("show-backup", self.name, backup.id)["tablespaces"]:
            # Barman would write them where they are on the server, which may be this host.
            names = ", ".join(str(each.get("name")) for each in places)
            raise BackupToolError(
                f"The server has tablespaces ({names}). trially recovers clusters without any."
            )
        wal.mkdir(mode=0o700)
        self._run(
            *("restore", "--target-time", at.isoformat(), "--no-get-wal", "--partial-wal"),
            *("--staging-wal-directory", str(wal), self.name, backup.id, str(data)),
        )
        return Laid(data, f'cp "{wal}/%f" "%p"')

    def _settings(self) -> dict[str, Any]:
        """Return Barman's settings of the server, and its diagnosis of it."""
        found: dict[str, Any] = self._ask("show-servers", self.name)
        return found

    def _ask(self, command: str, *arguments: str) -> Any:
        answer = self._run("-f", "json", command, *arguments)
        try:
            return json.loads(answer)[self.name]
        except (ValueError, KeyError, TypeError) as error:
            raise BackupToolError(
                f"`barman {command}` answered what trially does not understand. trially needs"
                " Barman 3.16 or newer."
            ) from error

    def _run(self, *arguments: str) -> str:
        words = shlex.split(current_settings().barman)
        program = _find(words[0])
        try:
            done = subprocess.run(  # noqa: S603
                [program, *words[1:], *arguments],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            raise BackupToolError(f"{program} cannot be run: {error.strerror}.") from error
        if done.returncode:
            lines = [*done.stderr.split("\n"), *done.stdout.split("\n")]
            shown = " ".join([line for line in lines if line.strip()][:SHOWN_LINES])
            command = next(each for each in arguments if each not in ("-f", "json"))
            raise BackupToolError(
                f"`barman {command} {self.name}` failed ({done.returncode}): {shown}"
            )
        return done.stdout


def _find(program: str) -> str:
    """Return the path of Barman: from the PATH, or beside this Python."""
    found = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        raise BackupToolError(
            f"The program {program!r} is not installed. Install Barman 3.16 or newer on this host,"
            " or set TRIALLY_BARMAN to the command that runs it."
        )
    return found
