"""To which times the tenants of a server can be restored: what is really stored."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg2
from sqlalchemy import Select, select

from trially.errors import OperatorError
from trially.tenancy.archives.ages import BackupAges, ages_of
from trially.tenancy.catalog import PlacementRecord, Server, Tenant
from trially.tenancy.recovery.base_backups import BaseBackup
from trially.tenancy.recovery.errors import NoBackupError, OutsideIntervalError
from trially.tenancy.recovery.tools import BackupTool, tool_of
from trially.tenancy.recovery.wal_streams import WalStream, read_stream
from trially.tenancy.servers.access import access_to
from trially.terminal import plural
from trially.terminal.durations import describe_seconds

RPO = dt.timedelta(minutes=1)
"""How much of the last changes may be lost with a server."""

OLDEST_BASE_BACKUP = dt.timedelta(days=8)
"""From which age of the newest base backup on the operator is told. Its WAL is replayed first."""

NO_ARCHIVES = BackupAges(0, 0)

_NOT_BACKED_UP = (
    "There are no base backups and there is no archived WAL, so nothing can be restored to a point"
    " in time. {}"
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

    archives: BackupAges = NO_ARCHIVES
    """How old the newest archives of the server's tenants, or of the one tenant, are."""

    @property
    def oldest(self) -> dt.datetime | None:
        """The earliest possible time, None if there is no base backup."""
        return self.base_backups[0].usable_from if self.base_backups else None

    @property
    def base_backup_age(self) -> dt.timedelta:
        """How long ago the newest base backup ended. There must be one."""
        return dt.datetime.now(dt.UTC) - self.base_backups[-1].usable_from

    @property
    def base_backup_is_old(self) -> bool:
        """Whether a restore would replay the WAL of too many days. There must be a base backup."""
        return self.base_backup_age >= OLDEST_BASE_BACKUP

    @property
    def lost_at_most(self) -> dt.timedelta | None:
        """How much of the last changes would be lost with the server, now.

        Without archived WAL, it is the age of the oldest of the tenants' newest archives. None if
        a tenant has neither, so that all of it would be lost.
        """
        if self.base_backups and self.newest is not None:
            return max(dt.timedelta(0), dt.datetime.now(dt.UTC) - self.newest)
        if self.archives.tenants_without:
            return None
        return dt.timedelta(seconds=self.archives.oldest_seconds)

    @property
    def description(self) -> str:
        """To which times tenants can be restored, and what would be lost, as sentences."""
        if self.oldest is None or self.newest is None:
            return f"There is no archived WAL of the server. {describe_archives(self.archives)}"
        lost = (self.lost_at_most or dt.timedelta(0)).total_seconds()
        return (
            f"To any time from {self.oldest:%Y-%m-%d %H:%M:%S}Z to"
            f" {self.newest:%Y-%m-%d %H:%M:%S}Z. With the server, the last"
            f" {describe_seconds(lost)} would be lost."
        )

    @property
    def problems(self) -> Sequence[str]:
        """What stands against a restore, or against one within a minute of now, as sentences."""
        if self.tool is None:
            return [_NOT_BACKED_UP.format(describe_archives(self.archives))]
        if self.error is not None:
            return [self.error]
        return [*self._problems_of_backups(), *self._problems_of_stream()]

    def _problems_of_backups(self) -> Sequence[str]:
        if not self.base_backups:
            return [_NO_BASE_BACKUP.format(self.server)]
        if self.base_backup_is_old:
            return [_OLD_BASE_BACKUP.format(self.base_backup_age.days, self.server)]
        return []

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


def interval_of(server: Server, tenant: Tenant | None = None) -> Interval:
    """Return to which times the tenants of a server can be restored, or one tenant of it."""
    chosen = Tenant.id == tenant.id if tenant else Tenant.id.in_(_tenants_of(server))
    archives = ages_of(chosen)
    try:
        tool = tool_of(server)
    except NoBackupError:
        return Interval(server.name, None, archives=archives)
    try:
        backups, newest = tool.base_backups(), tool.newest_wal_at()
        stream = _ask_server(server, tool)
    except OperatorError as error:
        return Interval(server.name, server.backup, error=str(error), archives=archives)
    if stream is not None and stream.is_streaming and not stream.is_behind:
        newest = dt.datetime.now(dt.UTC)
    elif newest is not None and backups:
        newest = max(newest, backups[-1].usable_from)
    return Interval(server.name, server.backup, backups, newest, stream, archives=archives)


def describe_archives(archives: BackupAges) -> str:
    """Return what would be lost if only the newest archives were left, as a sentence."""
    if archives == NO_ARCHIVES:
        return "It has no tenants."
    if archives.tenants_without:
        tenants = plural(archives.tenants_without, "tenant")
        return f"Without WAL, all of {tenants} would be lost with the server: no archive is known."
    lost = describe_seconds(archives.oldest_seconds)
    return f"Without WAL, up to {lost} would be lost with the server, back to the newest archive."


def _tenants_of(server: Server) -> Select[UUID]:
    return select(PlacementRecord.tenant_id).where(
        PlacementRecord.server_id == server.id, PlacementRecord.is_active
    )


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
