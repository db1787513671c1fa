"""Canaries: meaningless rows that are planted in a tenant and attacked as other tenants."""

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import String, func
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.config import current_settings
from trially.database.changes import unaudited
from trially.database.model import TenantModel
from trially.database.placement import StalePlacementError
from trially.proving.attempts import Party, Target
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role

LOCK_TIMEOUT_SECONDS = 10
STRAY_AFTER = dt.timedelta(days=1)
"""A canary older than this was left by a killed run, because no run lasts as long."""


class Canary(TenantModel):
    """A row that only its own tenant may read."""

    __tablename__ = "canary"

    run_id: Mapped[UUID]
    """The run that planted the canary."""

    word: Mapped[str] = mapped_column(String(64))
    planted_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    __table_args__ = ({"info": unaudited("Says nothing about anyone.")},)


@dataclass(frozen=True)
class Run:
    """A run of the command. It is alive as long as its process holds its advisory lock."""

    id: UUID
    _locks: connection

    def is_alive(self, other: UUID) -> bool:
        """Return True if the process of another run still holds its lock."""
        [(is_free,)] = execute(
            self._locks, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", str(other)
        )
        if is_free:
            execute(self._locks, "SELECT pg_advisory_unlock(hashtextextended(%s, 0))", str(other))
        return not is_free


@contextmanager
def new_run() -> Iterator[Run]:
    """Start a run, and hold its lock until the end of the block."""
    run_id = uuid7()
    with server_access().administer(current_settings().catalog_database) as raw:
        execute(raw, "SELECT pg_advisory_lock(hashtextextended(%s, 0))", str(run_id))
        yield Run(run_id, raw)


@contextmanager
def canary_in(party: Party, run: Run) -> Iterator[Target]:
    """Plant a canary in a tenant, and delete it at the end of the block.

    Also deletes the canaries of runs that were killed. Raises `StalePlacementError` if the tenant's
    placement has changed.
    """
    target = Target(party.tenant, canary_id=uuid7(), word=f"canary-{secrets.token_hex(16)}")
    with _as_owner_in(party) as raw:
        _delete_strays(raw, run)
        execute(
            raw,
            "INSERT INTO canary (tenant_id, id, run_id, word) VALUES (%s, %s, %s, %s)",
            str(party.tenant.id),
            str(target.canary_id),
            str(run.id),
            target.word,
        )
    try:
        yield target
    finally:
        with _as_owner_in(party) as raw:
            execute(raw, "DELETE FROM canary WHERE run_id = %s", str(run.id))


@contextmanager
def _as_owner_in(party: Party) -> Iterator[connection]:
    """Open a transaction of the tables' owner in a tenant's placement.

    Takes the same lock and checks the same epoch as the guard, so that nothing is written to a
    placement that a move is leaving. Unlike the guard it accepts a suspended tenant.
    """
    record = party.record
    begin_sql = sql.SQL(
        "BEGIN; SET LOCAL lock_timeout = {timeout}; SET LOCAL ROLE {owner};"
        "SELECT set_config('search_path', {path}, true),"
        " set_config('trially.tenant_id', {tenant_id}, true),"
        f" pg_advisory_xact_lock_shared({tenant_lock_key('{tenant_id}')})"
    ).format(
        timeout=sql.Literal(f"{LOCK_TIMEOUT_SECONDS}s"),
        owner=sql.Identifier(owner_role(current_settings())),
        path=sql.Literal(f"{record.schema}, pg_temp"),
        tenant_id=sql.Literal(str(party.tenant.id)),
    )
    with server_access(record.server.name).administer(record.database, is_kept=True) as raw:
        try:
            execute(raw, begin_sql)
            _check_epoch(raw, party)
            yield raw
            execute(raw, "COMMIT")
        except BaseException:
            if not raw.closed:
                execute(raw, "ROLLBACK")
            raise


def _check_epoch(raw: connection, party: Party) -> None:
    epochs = execute(
        raw, "SELECT epoch FROM trially.placement WHERE tenant_id = %s", str(party.tenant.id)
    )
    if epochs != [(party.record.epoch,)]:
        raise StalePlacementError("The tenant's placement has changed.")


def _delete_strays(raw: connection, run: Run) -> None:
    planted = execute(
        raw, "SELECT DISTINCT run_id::text FROM canary WHERE run_id <> %s", str(run.id)
    )
    dead = [run_id for (run_id,) in planted if not run.is_alive(UUID(run_id))]
    execute(
        raw,
        "DELETE FROM canary WHERE run_id = ANY(%s::uuid[]) OR planted_at < now() - %s",
        dead,
        STRAY_AFTER,
    )
