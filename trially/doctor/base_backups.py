"""Check that archived WAL can be used: it needs a base backup to begin with."""

from collections.abc import Iterator

from trially.doctor.examined_server import ExaminedServer
from trially.doctor.findings import Check, Problem, warning
from trially.tenancy.recovery.intervals import Interval, interval_of
from trially.tenancy.servers.registering import get_server

_ARCHIVING = ("archive_command", "archive_library")


def archived_wal_has_a_base_backup(server: ExaminedServer) -> Iterator[Problem]:
    """Check that a server whose WAL is archived has a base backup of the last days."""
    interval = interval_of(get_server(server.name))
    if interval.tool is None:
        if _is_archiving(server):
            yield warning(
                "WAL is archived, and no base backups are known, so restores cannot use it",
                f"Run `flask servers change {server.name} --backup barman:NAME`.",
            )
    elif interval.error is not None:
        yield warning(
            f"its base backups cannot be seen from here: {interval.error}",
            f"Run `flask servers status` where {interval.tool} is.",
        )
    else:
        yield from _problems_of(interval)


def _problems_of(interval: Interval) -> Iterator[Problem]:
    remedy = f"Run `flask servers backup {interval.server}`."
    if not interval.base_backups:
        yield warning("there is no base backup, so archived WAL restores nothing", remedy)
    elif interval.base_backup_is_old:
        days = interval.base_backup_age.days
        yield warning(f"the newest base backup is {days} days old", remedy)


def _is_archiving(server: ExaminedServer) -> bool:
    settings = server.settings
    return settings["archive_mode"] != "off" and any(settings.get(each) for each in _ARCHIVING)


BASE_BACKUP_CHECKS: tuple[Check[ExaminedServer], ...] = (archived_wal_has_a_base_backup,)
