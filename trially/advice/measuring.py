"""Measure servers, and what tenants store on them, from PostgreSQL's statistics.

No row of a tenant is read: in tables that tenants share, the share of each comes from the samples
that ANALYZE has taken.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import psycopg2
from flask import current_app
from psycopg2.extensions import connection

from trially.database.connecting import connect
from trially.database.connection_shares import ACCEPTED_CONNECTIONS
from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import tier_of

MEASURED_AT_ONCE = 8
"""The most servers that are measured at the same time."""

UNSAMPLED_BYTES = 2**20
"""A table without samples is left out if it is smaller, with its indexes."""

_BOUND = "SET statement_timeout = '30s'; SET lock_timeout = '500ms'"

_CONNECTIONS = f"""
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    {ACCEPTED_CONNECTIONS}
"""
_DATABASES = """
SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT')
        OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(oid) END,
    (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid
        AND backend_type = 'client backend' AND pid <> pg_backend_pid())
FROM pg_database d
"""
_SCHEMAS = """
SELECT nspname, sum(pg_total_relation_size(c.oid))::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname = ANY (%s) GROUP BY nspname
"""
_SHARED_TABLES = """
SELECT relname, reltuples::float, pg_total_relation_size(c.oid), n_distinct::float,
    most_common_vals::text::text[], most_common_freqs::float[]
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
JOIN pg_attribute ON attrelid = c.oid AND attname = 'tenant_id' AND NOT attisdropped
LEFT JOIN pg_stats s ON s.schemaname = nspname AND s.tablename = relname
    AND s.attname = 'tenant_id' AND NOT s.inherited
WHERE relkind = 'r' AND nspname = %s
"""


@dataclass
class Measured:
    """What a server tells."""

    is_reachable: bool = False
    stored_bytes: int | None = None
    connections: int | None = None
    most_connections: int | None = None
    bytes_of: dict[str, int] = field(default_factory=dict)
    """By id of the tenant."""

    connections_of: dict[str, int] = field(default_factory=dict)
    """Open connections to databases of their own, by id of the tenant."""

    missing: list[str] = field(default_factory=list)
    """What it does not tell, as sentences."""


def measure_servers(placements: Mapping[str, Sequence[PlacementRecord]]) -> Mapping[str, Measured]:
    """Return what servers tell, by their names. `placements` has the tenants of each.

    All servers are asked at the same time.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def measure(name: str) -> Measured:
        with app.app_context():
            return _measure(name, placements[name])

    with ThreadPoolExecutor(MEASURED_AT_ONCE, thread_name_prefix="advice") as executor:
        return dict(zip(placements, executor.map(measure, placements), strict=True))


def _measure(server: str, placements: Sequence[PlacementRecord]) -> Measured:
    measured = Measured()
    try:
        with _asking(server) as raw:
            [(measured.connections, measured.most_connections)] = execute(raw, _CONNECTIONS)
            databases = {name: numbers for name, *numbers in execute(raw, _DATABASES)}
            measured.is_reachable = True
    except (psycopg2.Error, OperatorError) as error:
        measured.missing.append(f"The server {server} does not answer: {describe_failure(error)}.")
        return measured
    _add_databases(measured, server, databases)
    shared = defaultdict(list)
    for record in placements:
        if tier_of(record).shares_database:
            shared[record.database].append(record)
        elif (numbers := databases.get(record.database)) is not None:
            size, measured.connections_of[str(record.tenant_id)] = numbers
            if size is not None:
                measured.bytes_of[str(record.tenant_id)] = size
    for database, records in shared.items():
        _add_shared(measured, server, database, records)
    return measured


def _asking(server: str, database: str | None = None) -> closing[connection]:
    url = server_access(server).administrator_url(database)
    raw = connect(url, application_name="trially-admin")
    execute(raw, _BOUND)
    return closing(raw)


def _add_databases(
    measured: Measured, server: str, databases: Mapping[str, Sequence[int | None]]
) -> None:
    sizes = [size for size, _ in databases.values()]
    if None in sizes:
        measured.missing.append(
            f"The administrator of {server} does not see how large its databases are. GRANT"
            " pg_read_all_stats shows it."
        )
    else:
        measured.stored_bytes = sum(size for size in sizes if size is not None)


def _add_shared(
    measured: Measured, server: str, database: str, records: Sequence[PlacementRecord]
) -> None:
    """Add what the tenants of a shared database store."""
    try:
        with _asking(server, database) as raw:
            if tier_of(records[0]).shares_tables:
                _add_shared_tables(measured, raw, f"{server}/{database}", records)
                return
            sizes = dict(execute(raw, _SCHEMAS, [record.schema for record in records]))
    except psycopg2.Error as error:
        measured.missing.append(
            f"The database {server}/{database} could not be asked: {describe_failure(error)}."
        )
        return
    for record in records:
        if record.schema in sizes:
            measured.bytes_of[str(record.tenant_id)] = sizes[record.schema]


def _add_shared_tables(
    measured: Measured, raw: connection, place: str, records: Sequence[PlacementRecord]
) -> None:
    """Add the share of each tenant in tables that tenants share, by PostgreSQL's samples."""
    stored = dict.fromkeys((str(record.tenant_id) for record in records), 0.0)
    for name, rows, size, distinct, ids, shares in execute(raw, _SHARED_TABLES, records[0].schema):
        if distinct is None:
            if size >= UNSAMPLED_BYTES:
                measured.missing.append(
                    f"The table {name} of {place} has no statistics that the administrator sees, so"
                    " it is not known what its tenants store. Run ANALYZE there."
                )
                return
            continue
        common = dict(zip(ids or (), shares or (), strict=True))
        other = share_of_others(rows, distinct, common)
        for tenant_id in stored:
            stored[tenant_id] += size * common.get(tenant_id, other)
    measured.bytes_of |= {tenant_id: int(size) for tenant_id, size in stored.items()}


def share_of_others(rows: float, distinct: float, common: Mapping[str, float]) -> float:
    """Return the mean share of a tenant that is not among the most common ones of a table.

    A negative `distinct` is a share of the rows, as in pg_stats.
    """
    tenants = distinct if distinct >= 0 else -distinct * max(rows, 0.0)
    others = tenants - len(common)
    return max(0.0, 1 - sum(common.values())) / others if others >= 1 else 0.0
