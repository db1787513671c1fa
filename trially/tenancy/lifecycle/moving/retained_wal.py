"""How much WAL a server retains for the slot of a move, and how much it may."""

from dataclasses import dataclass

from psycopg2.extensions import connection

from trially.errors import OperatorError
from trially.tenancy.servers.connections import execute

DEFAULT_LIMIT_BYTES = 8 * 2**30
"""The limit on a server that retains WAL without one. PostgreSQL does not tell its free disk."""

SHARE_OF_SERVERS_LIMIT = 0.8
"""A move ends itself before the server does, because the server invalidates its slot."""

SHARE_OF_ALARM = 0.5

_RETAINED = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint, coalesce(wal_status, '') = 'lost'
FROM pg_replication_slots WHERE slot_name = %s
"""
_SERVERS_LIMIT = (
    "SELECT setting::bigint * 1024 * 1024 FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"
    " AND setting <> '-1'"
)


class LostSlotError(OperatorError):
    """The slot of a move is gone, or the server has removed WAL that it needs."""


@dataclass(frozen=True)
class WalLimit:
    """How much WAL a server may retain for a move, in bytes."""

    abort_bytes: int

    @property
    def alarm_bytes(self) -> int:
        """The number of bytes from which on the operator is told."""
        return int(self.abort_bytes * SHARE_OF_ALARM)

    def is_alarming(self, retained: int) -> bool:
        """Return whether the operator has to be told."""
        return retained >= self.alarm_bytes

    def is_reached(self, retained: int) -> bool:
        """Return whether the move has to be aborted."""
        return retained >= self.abort_bytes


def retained_wal(raw: connection, slot: str) -> int:
    """Return how many bytes of WAL the server retains for a slot, or raise `LostSlotError`."""
    rows = execute(raw, _RETAINED, slot)
    if not rows or rows[0][1] or rows[0][0] is None:
        raise LostSlotError(
            f"The replication slot {slot} is lost, so changes are missing. Move the tenant again."
        )
    return int(rows[0][0])


def wal_limit(raw: connection) -> WalLimit:
    """Return the limit on a server: below its own one, if it has one."""
    servers_limit = max_retained_wal(raw)
    if servers_limit is None:
        return WalLimit(DEFAULT_LIMIT_BYTES)
    return WalLimit(min(DEFAULT_LIMIT_BYTES, int(servers_limit * SHARE_OF_SERVERS_LIMIT)))


def max_retained_wal(raw: connection) -> int | None:
    """Return how many bytes of WAL a server retains for a slot at most, None without a limit."""
    rows = execute(raw, _SERVERS_LIMIT)
    return int(rows[0][0]) if rows else None
