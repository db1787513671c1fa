"""What a move does to its tenant's transactions: it locks them out, and switches.

A mover copies the rows before. Here they stay where they are, or in a copy of the database.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar
from uuid import uuid4

from flask import Flask
from psycopg2.extensions import connection
from sqlalchemy import event, update
from sqlalchemy.orm import Session
from tenant_databases import access_of, ask, ask_in, placement_of

from trially.database.session import PlacedSession
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.servers.connections import execute

T = TypeVar("T")

_WAITING = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    f" AND (classid::bigint << 32 | objid::bigint) = {tenant_lock_key('%s::uuid')}"
)
MOST_SECONDS = 20.0


def switch(app: Flask, tenant: Tenant) -> None:
    """Raise the epoch, as a switch does. The process still has the tenant's entry of before."""
    epoch = placement_of(app, tenant).epoch + 1
    _set_guard(app, tenant.placement.database, tenant, epoch)
    _set_catalog(app, tenant, epoch=epoch)


def switch_to_copy(app: Flask, tenant: Tenant) -> str:
    """Move a tenant with a database of its own into a copy of it, and return the copy's name.

    The database of before refuses everybody from then on.
    """
    before = placement_of(app, tenant)
    source, copy = str(before.url.database), f"copy_{uuid4().hex[:12]}"
    ask(app, f"ALTER DATABASE {source} ALLOW_CONNECTIONS false")
    ask(app, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", source)
    while ask(app, "SELECT 1 FROM pg_stat_activity WHERE datname = %s", source):
        time.sleep(0.01)
    owner = ask(app, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", source)
    ask(app, f"CREATE DATABASE {copy} TEMPLATE {source} OWNER {owner[0][0]}")
    ask(app, f"GRANT CONNECT ON DATABASE {copy} TO {tenant.placement.role}")
    ask(app, f"ALTER DATABASE {source} ALLOW_CONNECTIONS true")
    for database in (source, copy):
        _set_guard(app, database, tenant, before.epoch + 1)
    _set_guard(app, source, tenant, before.epoch + 2)
    _set_catalog(app, tenant, epoch=before.epoch + 1, database=copy)
    return copy


@contextmanager
def locked_out(app: Flask, tenant: Tenant) -> Iterator[connection]:
    """Hold the tenant's lock as a mover does, so that its transactions wait in the guard."""
    key = tenant_lock_key("%s::uuid")
    with access_of(app).administer(tenant.placement.database) as raw:
        execute(raw, f"SELECT pg_advisory_lock({key})", str(tenant.id))
        try:
            yield raw
        finally:
            execute(raw, f"SELECT pg_advisory_unlock({key})", str(tenant.id))


def during_a_move(app: Flask, tenant: Tenant, *calls: Callable[[], T]) -> list[T]:
    """Make calls at once while the tenant is locked out, and switch when some wait in the guard."""
    with ThreadPoolExecutor(len(calls)) as threads:
        with locked_out(app, tenant):
            answers: list[Future[T]] = [threads.submit(call) for call in calls]
            wait_for_waiting(app, tenant)
            switch(app, tenant)
        return [each.result(MOST_SECONDS) for each in answers]


@contextmanager
def moving_after_each_commit(app: Flask, tenant: Tenant) -> Iterator[list[Tenant]]:
    """Switch after each commit of the tenant in this thread, and yield the list of the switches."""
    switches: list[Tenant] = []

    def switch_now(session: Session) -> None:
        if session.info.get("tenant_id") == tenant.id and not session.in_nested_transaction():
            switches.append(tenant)
            switch(app, tenant)

    event.listen(PlacedSession, "after_commit", switch_now)
    try:
        yield switches
    finally:
        event.remove(PlacedSession, "after_commit", switch_now)


def wait_for_waiting(app: Flask, tenant: Tenant, number: int = 1) -> None:
    """Wait until so many transactions of the tenant wait in the guard."""
    ends_at = time.monotonic() + MOST_SECONDS
    while count_waiting(app, tenant) < number:
        assert time.monotonic() < ends_at, "No transaction of the tenant waits in the guard."
        time.sleep(0.01)


def count_waiting(app: Flask, tenant: Tenant) -> int:
    """Return how many connections of the tenant wait in the guard."""
    [(number,)] = ask_in(app, tenant, _WAITING, str(tenant.id))
    return int(number)


def _set_guard(app: Flask, database: str, tenant: Tenant, epoch: int) -> None:
    statement = "UPDATE trially.placement SET epoch = %s WHERE tenant_id = %s"
    with access_of(app).administer(database) as raw:
        execute(raw, statement, epoch, str(tenant.id))


def _set_catalog(app: Flask, tenant: Tenant, **values: object) -> None:
    with app.app_context(), catalog_transaction() as session:
        session.execute(
            update(PlacementRecord)
            .where(PlacementRecord.tenant_id == tenant.id, PlacementRecord.is_active)
            .values(**values)
        )
