"""What base backups and WAL still hold of an erased tenant, and how long they are kept."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator

from trially.errors import OperatorError
from trially.tenancy.catalog import Server
from trially.tenancy.erasing.erased_tenant import ErasedTenant
from trially.tenancy.erasing.stores import Found, register
from trially.tenancy.recovery.errors import NoBackupError
from trially.tenancy.recovery.tools import tool_of
from trially.tenancy.servers.access import FIRST_SERVER
from trially.tenancy.servers.registering import all_servers

_WINDOW = re.compile(r"RECOVERY WINDOW OF (\d+) (DAY|WEEK|MONTH)", re.IGNORECASE)
_DAYS = {"DAY": 1, "WEEK": 7, "MONTH": 31}


class BaseBackups:
    """The base backups of the tenant's servers, and of the catalog's. An erasure changes none."""

    def look(self, tenant: ErasedTenant) -> Iterable[Found]:
        """Yield the base backups of each server whose tool answers."""
        for server in _servers_of(tenant):
            try:
                tool = tool_of(server)
                backups, retention = tool.base_backups(), tool.retention
            except OperatorError:
                continue  # `notes_on_backups` says why.
            yield Found(
                f"base backups and WAL of the server {server.name}",
                "base backups",
                len(backups),
                f"They hold the rows of before the erasure. {_describe_end(retention)}",
                {
                    "tool": server.backup,
                    "retention_policy": retention,
                    "oldest": backups[0].usable_from.isoformat() if backups else None,
                    "newest": backups[-1].usable_from.isoformat() if backups else None,
                },
            )

    def remove(self, tenant: ErasedTenant) -> None:
        """Do nothing: a base backup is of a whole server, and cannot lose one tenant's rows."""


def notes_on_backups(tenant: ErasedTenant) -> list[str]:
    """Return what a certificate says of servers whose base backups could not be listed."""
    return list(_notes(tenant))


def _notes(tenant: ErasedTenant) -> Iterator[str]:
    for server in _servers_of(tenant):
        try:
            tool_of(server).base_backups()
        except NoBackupError:
            yield (
                f"trially knows of no base backups and no archived WAL of the server {server.name}."
                " If its operator keeps any, they hold the rows until they are deleted."
            )
        except OperatorError as error:
            yield (
                f"The base backups and WAL of the server {server.name} ({server.backup}) hold the"
                f" rows of before the erasure. They could not be listed: {error}"
            )


def _servers_of(tenant: ErasedTenant) -> list[Server]:
    """Return the servers of the tenant's placements and of the catalog, which has wrapped keys."""
    names = {FIRST_SERVER, *(place.server for place in tenant.places)}
    return [each for each in all_servers() if each.name in names]


def _describe_end(retention: str | None) -> str:
    """Return how long base backups of today are kept under a policy of Barman, as a sentence."""
    if retention is None:
        return "Their tool has no retention policy, so they are kept until somebody deletes them."
    window = _WINDOW.match(retention)
    if window is None:
        return f"They are kept by the policy {retention}."
    days = int(window[1]) * _DAYS[window[2].upper()]
    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
    return (
        f"They are kept for {days} days after the next base backup, so at least until {until}"
        f" ({retention})."
    )


register(BaseBackups())
