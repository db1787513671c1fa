"""What trially asks of the tool that backs a server up. The operator chooses the tool."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from trially.tenancy.catalog import Server
from trially.tenancy.recovery.barman import Barman
from trially.tenancy.recovery.base_backups import BaseBackup, Laid
from trially.tenancy.recovery.errors import NoBackupError


class BackupTool(Protocol):
    """A tool that keeps base backups and WAL of one server."""

    @property
    def receiver(self) -> str:
        """`application_name` of the session that streams WAL from the server."""

    @property
    def slot(self) -> str | None:
        """Name of the replication slot that keeps WAL for the tool."""

    @property
    def retention(self) -> str | None:
        """The policy by which base backups are deleted, None if they are kept."""

    def back_up(self) -> BaseBackup:
        """Take a base backup, and return it once it can be used."""

    def base_backups(self) -> Sequence[BaseBackup]:
        """Return the complete base backups, oldest first."""

    def newest_wal_at(self) -> dt.datetime | None:
        """Return when WAL was last written to the tool's storage, None if it has none."""

    def take_in(self, file: str) -> bool:
        """Take in the WAL files that have arrived. Return whether this one can be used now."""

    def lay(self, backup: BaseBackup, at: dt.datetime, directory: Path) -> Laid:
        """Lay a base backup and the WAL up to a time into an empty directory."""


def tool_of(server: Server) -> BackupTool:
    """Return the tool that backs a server up, or raise `NoBackupError`."""
    kind, _, name = (server.backup or "").partition(":")
    if kind != "barman":
        raise NoBackupError(
            f"trially knows of no base backups and no archived WAL of the server {server.name!r},"
            " so no tenant on it can be restored to a point in time. Set up Barman, and run"
            f" `flask servers change {server.name} --backup barman:NAME`."
        )
    return Barman(name)
