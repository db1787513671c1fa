"""The guards of both sides: each database's own copy of the tenant's placement."""

from uuid import UUID

from psycopg2.extensions import connection

from trially.tenancy.schema.guard import record_placement
from trially.tenancy.servers.connections import execute

CLOSED = 0
"""The epoch of a guard that refuses every request: epochs of placements begin at 1."""


def read_epoch(raw: connection, tenant_id: UUID) -> int | None:
    """Return the epoch that a database serves, None if it does not know the tenant."""
    rows = execute(raw, "SELECT epoch FROM trially.placement WHERE tenant_id = %s", str(tenant_id))
    return rows[0][0] if rows else None


def fence(raw: connection, tenant_id: UUID) -> None:
    """Let a database refuse all requests of a tenant. The session holds the tenant's lock there."""
    write_epoch(raw, tenant_id, CLOSED, is_suspended=False)


def rewrite_epoch(raw: connection, tenant_id: UUID) -> None:
    """Write the epoch that is there, whatever it is. Nothing changes, and no one has to wait."""
    execute(
        raw,
        "UPDATE trially.placement SET epoch = epoch WHERE tenant_id = %s",
        str(tenant_id),
    )


def write_epoch(raw: connection, tenant_id: UUID, epoch: int, *, is_suspended: bool) -> None:
    """Write what a database's guard serves. The session holds the tenant's lock there."""
    execute(
        raw,
        "UPDATE trially.placement SET epoch = %s, is_suspended = %s WHERE tenant_id = %s",
        epoch,
        is_suspended,
        str(tenant_id),
    )


def open_at(raw: connection, tenant_id: UUID, epoch: int, *, is_suspended: bool) -> None:
    """Let a database serve the tenant to those who know `epoch`, after its lock was taken."""
    record_placement(raw, tenant_id, epoch, is_suspended=is_suspended)
