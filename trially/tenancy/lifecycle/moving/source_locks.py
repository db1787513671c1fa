"""The tenant's advisory lock at the source: its holder knows that no request writes there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import connection

from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.lifecycle.moving.moments import POLL_SECONDS
from trially.tenancy.lifecycle.moving.sides import LOCK_SECONDS, Side
from trially.tenancy.servers.connections import execute

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 3.0
"""How long requests may wait for a process that undoes or finishes a move."""

BETWEEN_WAITS_SECONDS = 0.5


@contextmanager
def locked(raw: connection, source: Side, seconds: float) -> Iterator[None]:
    """Hold the tenant's lock at the source, after its open transactions have ended.

    Raises `BusyTenantError` if they last longer than `seconds`.
    """
    key = tenant_lock_key(f"'{source.tenant_id}'::uuid")
    execute(raw, f"SET lock_timeout = '{max(int(seconds * 1000), 1)}ms'")
    try:
        execute(raw, f"SELECT pg_advisory_lock({key})")
    except psycopg2.errors.LockNotAvailable as error:
        raise BusyTenantError(
            "A transaction of the tenant lasts longer than the pause may. The tenant is served as"
            " before. `flask tenants top` shows what it does."
        ) from error
    try:
        yield
    finally:
        if not raw.closed:
            execute(raw, f"SELECT pg_advisory_unlock({key})")


@contextmanager
def locked_when_free(raw: connection, source: Side) -> Iterator[None]:
    """Hold the tenant's lock at the source. Requests do not wait for long while this waits for it.

    If many clients write, there is no moment without a transaction. So requests are let wait now
    and then, for `FIRST_WAIT_SECONDS` at first and twice as long each time.
    Raises `BusyTenantError` if the tenant's transactions leave no moment within `LOCK_SECONDS`.
    """
    key = tenant_lock_key(f"'{source.tenant_id}'::uuid")
    deadline = time.monotonic() + LOCK_SECONDS
    waits, next_wait_at = FIRST_WAIT_SECONDS, time.monotonic() + BETWEEN_WAITS_SECONDS
    while not execute(raw, f"SELECT pg_try_advisory_lock({key})")[0][0]:
        if time.monotonic() > deadline:
            raise BusyTenantError("The tenant's transactions leave no moment. Try again later.")
        if time.monotonic() > next_wait_at:
            if _waited_for(raw, key, waits):
                break
            waits = min(2 * waits, LONGEST_WAIT_SECONDS)
            next_wait_at = time.monotonic() + BETWEEN_WAITS_SECONDS
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if not raw.closed:
            execute(raw, f"SELECT pg_advisory_unlock({key})")


def _waited_for(raw: connection, key: str, seconds: float) -> bool:
    """Wait for a lock for some seconds, and return whether it is held."""
    execute(raw, f"SET lock_timeout = '{int(seconds * 1000)}ms'")
    try:
        execute(raw, f"SELECT pg_advisory_lock({key})")
    except psycopg2.errors.LockNotAvailable:
        return False
    return True
