"""To which times the tenants of a server can be restored: what is really stored."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg2

from trially.errors import OperatorError
from trially.tenancy.catalog import Server
from trially.tenancy.recovery.base_backups import BaseBackup
from trially.tenancy.recovery.errors import NoBackupError, OutsideIntervalError
from trially.tenancy.recovery.tools import BackupTool, tool_of
from trially.tenancy.recovery.wal_streams import WalStream, read_stream
from trially.tenancy.servers.access import access_to

RPO = dt.timedelta(minutes=1)
"""How much of the last changes may be lost with a server."""

OLDEST_BASE_BACKUP = dt.timedelta(days=8)
"""From which age of the newest base backup on the operator is told. Its WAL is replayed first."""

_NOT_BACKED_UP = (
    "There are no base backups and there is no archived WAL, so nothing can be restored to a point"
    " in time."
)
_NO_BASE_BACKUP = (
    "There is no base backup, so nothing can be restored to a point in time. Run"
    " `flask servers backup {}`."
)
_OLD_BASE_BACKUP = (
    "The newest base backup is {} days old, so a restore replays the WAL of all these days. Run"
    " `flask servers backup {}`."
)


@dataclass(frozen=True)
class Interval:
    """To which times the tenants of one server can be restored."""

    server: str
    tool: str | None
    base_backups: Sequence[BaseBackup] = ()
    newest: dt.datetime | None = None
    """Up to when WAL is stored. It is the present time while the stream has nothing to send."""

    stream: WalStream | None = None
    """None if the server does not answer."""

    error: str | None = None
    """Why the tool could not be asked."""

    @property
    def oldest(self) -> dt.datetime | None:
        """The earliest possible time, None if there is no base backup."""
        return self.base_backups[0].usable_from if self.base_backups else None

    @property
    def problems(self) -> Sequence[str]:
        """What stands against a restore, or against one within a minute of now, as sentences."""
        if self.tool is None:
            return [_NOT_BACKED_UP]
        if self.error is not None:
            return [self.error]
        return [*self._problems_of_backups(), *self._problems_of_stream()]

    def _problems_of_backups(self) -> Sequence[str]:
        if not self.base_backups:
            return [_NO_BASE_BACKUP.format(self.server)]
        age = dt.datetime.now(dt.UTC) - self.base_backups[-1].usable_from
        if age < OLDEST_BASE_BACKUP:
            return []
        return [_OLD_BASE_BACKUP.format(age.days, self.server)]

    def _problems_of_stream(self) -> Sequence[str]:
        found = []
        if self.newest is None:
            found.append("No WAL is stored outside the server.")
        elif (behind := dt.datetime.now(dt.UTC) - self.newest) > RPO:
            found.append(
                f"The newest stored WAL is {_minutes(behind)} old. What was committed since then"
                " would be lost with the server. Start `barman cron`."
            )
        if self.stream is not None and self.stream.is_lost:
            found.append(
                "The replication slot of the tool is lost, so WAL is missing. Create it again with"
                " `barman receive-wal --create-slot`, and take a base backup at once."
            )
        if self.stream is not None and self.stream.is_alarming:
            kept = (self.stream.retained_bytes or 0) / 2**20
            found.append(
                f"The server keeps {kept:,.0f} MiB of WAL for the tool, of at most"
                f" {self.stream.limit_bytes / 2**20:,.0f}. Start `barman cron` before its disk"
                " is full."
            )
        return found


def interval_of(server: Server) -> Interval:
    """Return to which times the tenants of a server can be restored."""
    try:
        tool = tool_of(server)
    except NoBackupError:
        return Interval(server.name, None)
    try:
        backups, newest = tool.base_backups(), tool.newest_wal_at()
        stream = _ask_server(server, tool)
    except OperatorError as error:
        return Interval(server.name, server.backup, error=str(error))
    if stream is not None and stream.is_streaming and not stream.is_behind:
        newest = dt.datetime.now(dt.UTC)
    elif newest is not None and backups:
        newest = max(newest, backups[-1].usable_from)
    return Interval(server.name, server.backup, backups, newest, stream)


def choose_backup(server: Server, tool: BackupTool, at: dt.datetime) -> BaseBackup:
    """Return the base backup with which a time is reached soonest.

    Raises `OutsideIntervalError` for a time before the oldest base backup, and `NoBackupError` if
    there is none.
    """
    backups = tool.base_backups()
    if not backups:
        raise NoBackupError(
            f"The server {server.name!r} has no base backup. `flask servers backup {server.name}`"
            " takes one. Only times after it can be restored."
        )
    usable = [backup for backup in backups if backup.usable_from <= at]
    if not usable:
        raise OutsideIntervalError(
            f"{at.isoformat()} is before the oldest base backup of the server {server.name!r}."
            f" Choose a time from {backups[0].usable_from.isoformat()} until now."
        )
    return usable[-1]


def _ask_server(server: Server, tool: BackupTool) -> WalStream | None:
    """Return the state of the server's stream, None if the server does not answer."""
    try:
        with access_to(server).administer() as raw:
            return read_stream(raw, tool)
    except psycopg2.OperationalError:
        return None


def _minutes(span: dt.timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
