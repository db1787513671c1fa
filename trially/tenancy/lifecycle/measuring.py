"""Measure a tenant's placement: its revision, its size, and when it was last used."""

import datetime as dt
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import tier_of

SCANS_HAVE_TIMES = 160_000
"""From PostgreSQL 16 on, the statistics say when a table was last read."""

UNKNOWN = {"is_reachable": False, "revision": None, "size_bytes": None, "last_used_at": None}

_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'
"""
_LAST_USE = """
SELECT max(greatest(last_seq_scan, last_idx_scan)) FROM pg_stat_all_tables
WHERE schemaname = %s AND relname <> 'alembic_version'
"""


def measure_placement(record: PlacementRecord) -> dict[str, Any]:
    """Return what the tenant's database tells about the tenant.

    Size and last use are None in tables that tenants share: there they would be the neighbours'
    too. All values are None if the server does not answer.
    """
    try:
        with server_access(record.server.name).administer(record.database) as raw:
            return {
                "is_reachable": True,
                "revision": _revision(raw, record),
                "size_bytes": _size(raw, record),
                "last_used_at": _last_use(raw, record),
            }
    except psycopg2.Error:
        return UNKNOWN


def _revision(raw: connection, record: PlacementRecord) -> str | None:
    table = sql.Identifier(record.schema, "alembic_version")
    rows = execute(raw, sql.SQL("SELECT version_num FROM {}").format(table))
    return rows[0][0] if rows else None


def _size(raw: connection, record: PlacementRecord) -> int | None:
    if tier_of(record).shares_tables:
        return None
    [(size,)] = execute(raw, _SIZE, record.schema)
    return int(size)


def _last_use(raw: connection, record: PlacementRecord) -> dt.datetime | None:
    if tier_of(record).shares_tables or raw.server_version < SCANS_HAVE_TIMES:
        return None
    [(last_use,)] = execute(raw, _LAST_USE, record.schema)
    return last_use  # type: ignore[no-any-return]
