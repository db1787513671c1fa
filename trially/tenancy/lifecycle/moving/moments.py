"""Find a moment for the switch: one in which no transaction of the tenant has run for long.

Requests that begin while the mover waits for the tenant's lock wait behind it. So it asks for the
lock only when those who hold it are likely to end soon. A batch of an import takes a second on a
busy machine. So the mover first lets no further batch begin, while requests go on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection

from trially.database.following import batch_lock_key
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.lifecycle.moving.sides import Side
from trially.tenancy.servers.connections import execute

WAIT_SECONDS = 2.0
"""How long a moment is waited for."""

BATCH_SECONDS = 10.0
"""How long the end of the running batches is waited for."""

POLL_SECONDS = 0.005

FIRST_SHARE, LAST_SHARE = 0.1, 0.5
"""The oldest transaction may have run for this share of the pause, at first and at last."""

_OLDEST = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint << 32 | objid::bigint = {key}
"""


@contextmanager
def holding_batches(raw: connection, source: Side) -> Iterator[None]:
    """Let no batch of the tenant begin during the block, after those that run have ended.

    Raises `BusyTenantError` if they last longer than `BATCH_SECONDS`.
    """
    key = batch_lock_key(f"'{source.tenant_id}'::uuid")
    execute(raw, f"SET lock_timeout = '{BATCH_SECONDS}s'")
    try:
        execute(raw, f"SELECT pg_advisory_lock({key})")
    except LockNotAvailable as error:
        raise BusyTenantError(
            f"A batch of an import or a job takes longer than {BATCH_SECONDS:.0f} s. The tenant is"
            " served as before. `flask tenants top` shows what it does."
        ) from error
    try:
        yield
    finally:
        if not raw.closed:
            execute(raw, f"SELECT pg_advisory_unlock({key})")


def wait_for_moment(
    raw: connection, source: Side, max_pause: float, meanwhile: Callable[[float], object]
) -> None:
    """Return when the tenant's transactions are young, or raise `BusyTenantError`.

    `meanwhile` is called again and again with the seconds that it may take.
    """
    oldest = _OLDEST.format(key=tenant_lock_key(f"'{source.tenant_id}'::uuid"))
    began = time.monotonic()
    while (waited := time.monotonic() - began) < WAIT_SECONDS:
        share = FIRST_SHARE + (LAST_SHARE - FIRST_SHARE) * waited / WAIT_SECONDS
        [(seconds,)] = execute(raw, oldest)
        if seconds <= max_pause * share:
            return
        meanwhile(POLL_SECONDS)
    raise BusyTenantError(
        f"A transaction of the tenant has run for {seconds:.1f} s. The tenant is served as before."
        " `flask tenants top` shows what it does."
    )
