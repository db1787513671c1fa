"""Remove a tenant's rows and objects from every placement that it has or has left."""

from collections.abc import Callable

import psycopg2
from psycopg2 import sql

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.lifecycle.moving.removing import remove_rows
from trially.tenancy.lifecycle.moving.sides import Side, side_of
from trially.tenancy.lifecycle.moving.tables import read_tables
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import tier_of
from trially.tenancy.tiers.shared_databases import has_database

_FORGET_STATISTICS = """
DELETE FROM pg_statistic USING pg_class
WHERE starelid = pg_class.oid AND relnamespace = %s::regnamespace AND reltuples <= 0
"""
"""ANALYZE leaves the statistics of an empty table, with values of the rows that were there."""


def refuse_requests(record: PlacementRecord) -> None:
    """Let the database of a placement refuse every request, once its transactions have ended."""
    if has_database(record):
        tier_of(record).record_state(record, is_suspended=True)


def remove_placement(record: PlacementRecord, check: Callable[[], object]) -> None:
    """Remove a placement. Rows of shared tables are deleted some thousand at a time.

    `check` raises if another process has taken over. What is gone already is passed over.
    """
    if has_database(record):
        side = side_of(record)
        remove_rows(side, check)
        tier_of(record).remove(record)
        if side.shares_tables:
            _forget_values(side)
    else:
        tier_of(record).remove(record)


def _forget_values(side: Side) -> None:
    """Let VACUUM remove the dead rows of shared tables, and let the statistics forget values."""
    with side.reading() as session:
        for name in read_tables(side):
            session.run(sql.SQL("VACUUM (ANALYZE) {}").format(side.table(name)))
    with side.administered() as raw:
        try:
            execute(raw, _FORGET_STATISTICS, side.schema)
        except psycopg2.errors.InsufficientPrivilege:
            return  # an administrator who is no superuser: see docs/erasing.md
