"""Let the target continue the numbers that sequences of the source have given."""

from collections.abc import Sequence

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable


def continue_numbers(
    source: SideSession, target: SideSession, tables: Sequence[MovedTable]
) -> None:
    """Move the target's sequences behind the highest number that the tenant has.

    A sequence that other tenants use is only ever moved forward, one number at a time, because
    they may draw from it meanwhile.
    """
    for table in tables:
        for column in table.identity_columns:
            highest = _highest(source, table, column)
            if highest is not None:
                _advance(target, table, column, highest)


def _highest(session: SideSession, table: MovedTable, column: str) -> int | None:
    side = session.side
    [(highest,)] = session.run(
        sql.SQL("SELECT max({}) FROM {} WHERE {}").format(
            sql.Identifier(column), side.table(table.name), side.is_tenants
        )
    )
    return None if highest is None else int(highest)


def _advance(session: SideSession, table: MovedTable, column: str, number: int) -> None:
    [(sequence,)] = session.run(
        "SELECT pg_get_serial_sequence(%s, %s)",
        f"{session.side.schema}.{table.name}",
        column,
    )
    [(last, is_drawn)] = session.run(
        sql.SQL("SELECT last_value, is_called FROM {}").format(sql.SQL(sequence))
    )
    missing = number - last + (0 if is_drawn else 1)
    if missing <= 0:
        return
    if session.side.shares_tables:
        session.run("SELECT count(nextval(%s)) FROM generate_series(1, %s)", sequence, missing)
    else:
        session.run("SELECT setval(%s, %s)", sequence, number)
