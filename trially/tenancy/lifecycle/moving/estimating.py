"""Measure the rows of a tenant, and estimate how long a move takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

_TABLES = """
SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind IN ('r', 'p')
AND NOT relispartition AND attname = 'tenant_id' AND NOT attisdropped
ORDER BY relname
"""
_SIZE = """
SELECT (SELECT count(*) FROM {table} WHERE tenant_id = {tenant}),
    (SELECT coalesce(avg(pg_column_size(sampled.*)), 0)::float
        FROM (SELECT * FROM {table} WHERE tenant_id = {tenant} LIMIT 1000) sampled)
"""
"""The rows of one tenant, and the mean size of some of them in bytes."""


@dataclass(frozen=True)
class TableSize:
    """How much one table of the tenant has to copy."""

    name: str
    rows: int
    bytes: int
    """Of the rows, without indexes. Estimated from a sample of them."""


@dataclass(frozen=True)
class MeasuredRate:
    """How fast moves were, as measured."""

    rows_per_second: float
    bytes_per_second: float
    applied_rows_per_second: float
    """How fast changes are applied at the target."""

    shortest_pause: float
    """The pause of a move without any change to drain, in seconds."""


WAL_PER_BYTE = 4
"""How much WAL a copy and its indexes write at the target, for each byte of rows.

Ten million clinical facts wrote 11.6 GB, while their rows take some 3.4 GB.
"""

MEASURED = MeasuredRate(
    rows_per_second=32_000,
    bytes_per_second=12 * 2**20,
    applied_rows_per_second=8_000,
    shortest_pause=0.05,
)
"""As `benchmarks/move.py` measured it on 2 cores, under the load of 8 writers."""


@dataclass(frozen=True)
class Estimate:
    """How much a move copies, and how long it takes."""

    tables: Sequence[TableSize]
    copy_seconds: float
    pause_seconds: float

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """The bytes of all rows."""
        return sum(table.bytes for table in self.tables)

    @property
    def wal_bytes(self) -> int:
        """The WAL that the copy writes at the target."""
        return self.bytes * WAL_PER_BYTE


def estimate(source: PlacementRecord, rate: MeasuredRate, waiting_rows: int = 0) -> Estimate:
    """Measure a tenant's rows, and estimate a move from a measured rate.

    `waiting_rows` are the changes that the mover still has to apply when it takes the lock. Rows
    and bytes both limit the copy, so the slower of the two counts. Raises psycopg2's errors.
    """
    tables = measure_tables(source)
    rows, size = sum(each.rows for each in tables), sum(each.bytes for each in tables)
    return Estimate(
        tables,
        copy_seconds=max(rows / rate.rows_per_second, size / rate.bytes_per_second),
        pause_seconds=rate.shortest_pause + waiting_rows / rate.applied_rows_per_second,
    )


def measure_tables(source: PlacementRecord) -> list[TableSize]:
    """Return the size of each table that has rows of the tenant. It counts them all."""
    with server_access(source.server.name).administer(source.database) as raw:
        show_rows_of(raw, source)
        names = [name for (name,) in execute(raw, _TABLES, source.schema)]
        sizes = [_measure(raw, source, name) for name in names]
    return [size for size in sizes if size.rows]


def show_rows_of(raw: connection, source: PlacementRecord) -> None:
    """Let the policies of shared tables show the tenant's rows, for the rest of a session."""
    execute(raw, "SELECT set_config('trially.tenant_id', %s, false)", str(source.tenant_id))


def _measure(raw: connection, source: PlacementRecord, name: str) -> TableSize:
    query = sql.SQL(_SIZE).format(
        table=sql.Identifier(source.schema, name), tenant=sql.Literal(str(source.tenant_id))
    )
    [(rows, mean)] = execute(raw, query)
    return TableSize(name, rows, int(rows * mean))
