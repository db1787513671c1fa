"""How far the WAL of a server is stored outside it, and how much WAL the server keeps meanwhile."""

import time
from dataclasses import dataclass

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection

from trially.tenancy.lifecycle.moving.retained_wal import LostSlotError, retained_wal, wal_limit
from trially.tenancy.lifecycle.moving.stream import mark
from trially.tenancy.recovery.base_backups import BaseBackup
from trially.tenancy.recovery.tools import BackupTool
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute

WAIT_SECONDS = 30.0
"""How long a restore waits until the WAL up to now has arrived."""

POLL_SECONDS = 0.1

MARK = "recovery"
"""The content of a message in the WAL that nothing reads."""

_RECEIVER = """
SELECT coalesce(write_lsn < pg_current_wal_lsn(), true)
FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'
ORDER BY 1 LIMIT 1
"""


@dataclass(frozen=True)
class WalStream:
    """The WAL that a server sends to its backup tool."""

    is_streaming: bool
    """Whether the tool receives WAL at the moment."""

    is_behind: bool
    """Whether the tool has not confirmed all WAL that the server has written."""

    retained_bytes: int | None
    """How much WAL the server keeps for the tool; None without a slot, or if the slot is lost."""

    limit_bytes: int
    is_lost: bool
    """Whether the server has removed WAL that the tool needs, or the slot does not exist."""

    @property
    def is_alarming(self) -> bool:
        """Whether the server keeps so much WAL that the operator has to act."""
        return self.retained_bytes is not None and self.retained_bytes * 2 >= self.limit_bytes


def read_stream(raw: connection, tool: BackupTool) -> WalStream:
    """Return the state of the stream of a server's WAL to its tool."""
    received, slot = execute(raw, _RECEIVER, tool.receiver), tool.slot
    retained, is_lost = None, False
    if slot is not None:
        try:
            retained = retained_wal(raw, slot)
        except LostSlotError:
            is_lost = True
    return WalStream(
        is_streaming=bool(received),
        is_behind=received != [(False,)],
        retained_bytes=retained,
        limit_bytes=wal_limit(raw).abort_bytes,
        is_lost=is_lost,
    )


def store_until_now(access: ServerAccess, tool: BackupTool) -> None:
    """Let the WAL of all commits so far be stored by the tool, if the server answers.

    A mark is committed and its WAL file is closed. So a recovery finds a commit after the time that
    it is to stop at. If the file does not arrive in `WAIT_SECONDS`, the restore goes on with what
    is stored, and its recovery says where that ends.
    """
    try:
        with access.administer() as raw:
            file = _close_file(raw)
    except (psycopg2.OperationalError, errors.InsufficientPrivilege):
        return
    deadline = time.monotonic() + WAIT_SECONDS
    while not tool.take_in(file) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _close_file(raw: connection) -> str:
    """Begin a new WAL file, and return the name of the one before, which has all commits so far."""
    mark(raw, MARK)
    [(file,)] = execute(raw, "SELECT pg_walfile_name(pg_switch_wal())")
    # A tool may not take a file in before the next one has begun.
    mark(raw, MARK)
    return str(file)


def take_base_backup(access: ServerAccess, tool: BackupTool) -> BaseBackup:
    """Take a base backup of a server, and return it once it can be used.

    The WAL of before is stored first: Barman refuses the first base backup of a server whose WAL
    does not arrive.
    """
    store_until_now(access, tool)
    return tool.back_up()
