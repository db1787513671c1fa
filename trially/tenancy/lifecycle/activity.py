"""Sample what tenants do on their servers at the moment, from PostgreSQL's statistics.

No text of a statement is read, because it may quote a patient. In databases that tenants share, a
transaction is known by the lock that the guard takes for its tenant.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from flask import current_app
from psycopg2.extensions import connection

from trially.errors import OperatorError
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import TIERS

CONNECTIONS = 8
"""The most connections at a time that one sample uses."""

_BOUND = "SET statement_timeout = '3s'; SET lock_timeout = '500ms'"

_SESSIONS = f"""
WITH tenants AS (
    SELECT id, {tenant_lock_key("id")} AS key FROM unnest(%s::uuid[]) AS id
), entered AS (
    SELECT DISTINCT ON (pid) pid, id FROM pg_locks
    JOIN tenants ON key = (classid::bigint << 32 | objid::bigint)
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ShareLock'
)
SELECT datname, entered.id::text, count(*), count(*) FILTER (WHERE state = 'active'),
    count(*) FILTER (WHERE wait_event_type = 'Lock'),
    max(extract(epoch FROM clock_timestamp() - xact_start))::float
FROM pg_stat_activity LEFT JOIN entered USING (pid)
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = ANY(%s)
GROUP BY 1, 2
"""

_DATABASES = """
SELECT datname, xact_commit + xact_rollback, sessions, tup_returned + tup_fetched,
    tup_inserted + tup_updated + tup_deleted, (to_jsonb(s)->>'active_time')::float
FROM pg_stat_database s WHERE datname = ANY(%s)
"""

_SCHEMAS = """
SELECT schemaname, sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint,
    sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint
FROM pg_stat_user_tables GROUP BY 1
"""


@dataclass
class Activity:
    """The activity of one tenant. None is what the statistics do not tell in its tier."""

    connections: int = 0
    active: int = 0
    """Connections with a statement that runs."""

    waiting: int = 0
    """Those of them that wait for a lock."""

    longest_seconds: float | None = None
    """The age of the oldest transaction."""

    counters: dict[str, float] = field(default_factory=dict)
    """What only grows: transactions, connections opened, rows read and written, milliseconds of
    statements."""


@dataclass
class Sample:
    """The activity of all tenants at one moment."""

    by_tenant: dict[str, Activity] = field(default_factory=dict)
    """By id of the tenant."""

    idle_by_database: Counter[str] = field(default_factory=Counter)
    """Connections to shared databases that are in no tenant's transaction."""

    transactions: Counter[str] = field(default_factory=Counter)
    """Transactions in the databases of tenants, by server. It only grows."""

    opened: Counter[str] = field(default_factory=Counter)
    """Connections to these databases that were opened, by server. It only grows."""

    failures: dict[str, str] = field(default_factory=dict)
    """What could not be asked, and why."""


Listed = Mapping[str, Any]
"""A tenant as `describe_tenants` returns it."""


def sample_activity(tenants: Sequence[Listed]) -> Sample:
    """Ask every server, and each shared database of schemas, at the same time."""
    sample = Sample(by_tenant={each["id"]: Activity() for each in tenants})
    questions: dict[str, Callable[[], None]] = {}
    for server, placed in _grouped(tenants, "server").items():
        questions[f"server {server}"] = lambda s=server, p=placed: _ask_server(sample, s, p)  # type: ignore[misc]
        with_schemas = [each for each in placed if TIERS[Tier(each["tier"])].switches_roles]
        for database, sharing in _grouped(with_schemas, "database").items():
            questions[f"database {database}"] = (
                lambda s=server, d=database, t=sharing: _ask_schemas(sample, s, d, t)  # type: ignore[misc]
            )
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def ask(place: str) -> None:
        with app.app_context():
            try:
                questions[place]()
            except (psycopg2.Error, OperatorError) as error:
                sample.failures[place] = type(error).__name__

    with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="top") as executor:
        list(executor.map(ask, questions))
    return sample


def _ask_server(sample: Sample, server: str, tenants: Sequence[Listed]) -> None:
    names = sorted({each["database"] for each in tenants})
    alone = {each["database"]: each["id"] for each in tenants if _is_alone(each)}
    sharing = [each["id"] for each in tenants if not _is_alone(each)]
    with server_access(server).administer() as raw:
        for database, tenant_id, *numbers in _bounded(raw, _SESSIONS, sharing, names):
            owner = alone.get(database, tenant_id)
            if owner is None:
                sample.idle_by_database[database] += numbers[0]
            else:
                _add(sample.by_tenant[owner], *numbers)
        for database, transactions, opened, read, written, busy_ms in _bounded(
            raw, _DATABASES, names
        ):
            sample.transactions[server] += transactions
            sample.opened[server] += opened
            if database in alone:
                counters = sample.by_tenant[alone[database]].counters
                counters.update(
                    transactions=transactions, opened=opened, rows_read=read, rows_written=written
                )
                if busy_ms is not None:
                    counters["busy_ms"] = busy_ms


def _ask_schemas(sample: Sample, server: str, database: str, tenants: Sequence[Listed]) -> None:
    ids = {each["schema"]: each["id"] for each in tenants}
    with server_access(server).administer(database) as raw:
        for schema, read, written in _bounded(raw, _SCHEMAS):
            if schema in ids:
                counters = sample.by_tenant[ids[schema]].counters
                counters.update(rows_read=read, rows_written=written)


def _add(
    activity: Activity, connections: int, active: int, waiting: int, longest: float | None
) -> None:
    activity.connections += connections
    activity.active += active
    activity.waiting += waiting
    if longest is not None:
        activity.longest_seconds = max(activity.longest_seconds or 0.0, longest)


def _is_alone(tenant: Listed) -> bool:
    return not TIERS[Tier(tenant["tier"])].shares_database


def _bounded(raw: connection, query: str, *parameters: Any) -> list[Any]:
    """Run a query that a busy server may not hold up; leave the session as it was."""
    execute(raw, _BOUND)
    try:
        return execute(raw, query, *parameters)
    finally:
        execute(raw, "RESET statement_timeout; RESET lock_timeout")


def _grouped(tenants: Iterable[Listed], key: str) -> dict[str, list[Listed]]:
    groups: dict[str, list[Listed]] = {}
    for each in tenants:
        groups.setdefault(each[key], []).append(each)
    return groups
