"""Remove what a tenant has left behind at a placement."""

from collections.abc import Callable

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.sides import Side
from trially.tenancy.lifecycle.moving.tables import read_tables

BATCH = 10_000
"""How many rows are deleted in one transaction."""


def remove_rows(side: Side, check: Callable[[], object]) -> None:
    """Delete the tenant's rows from tables that it shares, some thousand at a time.

    So no transaction is long, and vacuum can follow. Tables of its own are dropped as a whole, by
    the tier. `check` is called under the copy lock, and raises if the rows must not be removed.
    """
    if not side.shares_tables:
        return
    with side.writing() as session:
        check()
        for table in read_tables(side).values():
            delete = sql.SQL(
                "WITH chosen AS (SELECT id FROM {table} WHERE {own} LIMIT {batch}),"
                " gone AS (DELETE FROM {table} WHERE {own} AND id IN (SELECT id FROM chosen)"
                " RETURNING 1) SELECT count(*) FROM gone"
            ).format(table=side.table(table.name), own=side.is_tenants, batch=sql.Literal(BATCH))
            while session.run(delete)[0][0] == BATCH:
                pass
