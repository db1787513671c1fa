"""Compare the tenant's rows on both sides, by hashes."""

from collections.abc import Collection, Mapping, Sequence

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable

BUCKETS = 4096
"""Into how many groups the rows of a table are divided by the hash of their ids. A power of 2."""

_BUCKET = sql.SQL(f"(uuid_hash_extended(id, 0) & {BUCKETS - 1})")

Buckets = Mapping[int, tuple[int, int]]
"""For each bucket the number of its rows and the XOR of their hashes."""


def hash_buckets(session: SideSession, table: MovedTable) -> Buckets:
    """Hash all of the tenant's rows of a table. It takes some 3 µs for a row of 300 bytes."""
    rows = session.run(
        sql.SQL(
            "SELECT {bucket}, count(*), bit_xor({hash}) FROM {table} WHERE {own} GROUP BY 1"
        ).format(
            bucket=_BUCKET,
            hash=table.hash,
            table=session.side.table(table.name),
            own=session.side.is_tenants,
        )
    )
    return {bucket: (count, total) for bucket, count, total in rows}


def hash_rows_of(
    session: SideSession, table: MovedTable, buckets: Collection[int]
) -> Mapping[str, int]:
    """Return the hash of each row of some buckets, by id."""
    if not buckets:
        return {}
    rows = session.run(
        sql.SQL("SELECT id::text, {hash} FROM {table} WHERE {own} AND {bucket} = ANY (%s)").format(
            hash=table.hash,
            table=session.side.table(table.name),
            own=session.side.is_tenants,
            bucket=_BUCKET,
        ),
        list(buckets),
    )
    return dict(rows)


def hash_rows(
    session: SideSession, wanted: Sequence[tuple[MovedTable, Collection[str]]]
) -> Mapping[tuple[str, str], int]:
    """Return the hash of each row with one of these ids, by the table's name and the id.

    One statement reads all tables, because requests may be waiting for it.
    """
    if not wanted:
        return {}
    selects = [
        sql.SQL(
            "SELECT {name}::text, id::text, {hash} FROM {table}"
            " WHERE {own} AND id = ANY (%s::uuid[])"
        ).format(
            name=sql.Literal(table.name),
            hash=table.hash,
            table=session.side.table(table.name),
            own=session.side.is_tenants,
        )
        for table, _ in wanted
    ]
    rows = session.run(sql.SQL(" UNION ALL ").join(selects), *(list(ids) for _, ids in wanted))
    return {(name, id_): row_hash for name, id_, row_hash in rows}
