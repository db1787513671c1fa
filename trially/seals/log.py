"""Which table a log is in, and the order of its records."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg2 import sql

SESSION = (
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD';"
    "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex';"
    "SET LOCAL extra_float_digits = 1; SET LOCAL client_encoding = 'UTF8'"
)
"""What the text of a value depends on. A verifier with psql sets the same."""

Key = tuple[str, ...]
"""The values of a record's `order` columns, as COPY writes them."""


@dataclass(frozen=True)
class Log:
    """A table of records that are only ever added, and the table of its seals.

    The records have the column `transaction_id`, an `xid8` or a `bigint`, whose default is
    `pg_current_xact_id()`. The first
    column of `order` is the era: it is raised when the rows move to another cluster, whose
    transaction ids are lower.
    """

    table: str
    seals: str
    columns: tuple[str, ...]
    """The columns that are sealed, in the order in which COPY writes them."""

    tenant_id: UUID | None = None
    """The tenant whose records these are, where a table has those of several tenants."""

    order: tuple[str, ...] = ("era", "transaction_id", "id")

    transaction_type: str = "xid8"
    """The type of the column `transaction_id`: `xid8` or `bigint`."""

    current_era: int | None = None
    """The era of the caller's transaction, if it is known without a record of that era."""

    @property
    def name(self) -> str:
        """The log's name and tenant: each has a chain of its own."""
        return f"{self.table} {self.tenant_id or '-'}"

    def where(self, *conditions: sql.Composable) -> sql.Composable:
        """Return the WHERE clause of the log's own rows that also meet `conditions`."""
        own = (
            sql.SQL("true")
            if self.tenant_id is None
            else sql.SQL("tenant_id = {}").format(sql.Literal(str(self.tenant_id)))
        )
        return sql.SQL(" WHERE ") + sql.SQL(" AND ").join([own, *conditions])

    def compared(self, operator: str, key: Key | None) -> sql.Composable:
        """Return the condition that a record comes after (`>`) or not after (`<=`) a key.

        All records come after None.
        """
        if key is None:
            return sql.SQL("true")
        return sql.SQL("({}) {} ({})").format(
            self.listed(self.order),
            sql.SQL(operator),
            sql.SQL(", ").join(map(sql.Literal, key)),
        )

    def following(self, key: Key | None) -> list[sql.Composable]:
        """Return the conditions of the records after a key: those of its era, and those of later.

        All records meet exactly one of them. Each can be answered from an index by the order. One
        condition for both could too, but PostgreSQL expects it to choose no record.
        """
        if key is None:
            return [sql.SQL("true")]
        era, *rest = map(sql.Identifier, self.order)
        first, *values = map(sql.Literal, key)
        same = sql.SQL("{} = {} AND {} >= {} AND ({}) > ({})").format(
            era, first, rest[0], values[0], sql.SQL(", ").join(rest), sql.SQL(", ").join(values)
        )
        return [same, sql.SQL("{} > {}").format(era, first)]

    def within(self, first: Key, last: Key) -> sql.Composable:
        """Return the condition that a record is between two keys, these included."""
        if first[0] != last[0]:
            return self.compared(">=", first) + sql.SQL(" AND ") + self.compared("<=", last)
        era, transaction, *_ = map(sql.Identifier, self.order)
        return sql.SQL("{} = {} AND {} BETWEEN {} AND {} AND {} AND {}").format(
            era,
            sql.Literal(first[0]),
            transaction,
            sql.Literal(first[1]),
            sql.Literal(last[1]),
            self.compared(">=", first),
            self.compared("<=", last),
        )

    def copied(self, columns: Sequence[str], rest: sql.Composable) -> sql.Composable:
        """Return the COPY of the columns of the rows that `rest` (WHERE … LIMIT) chooses."""
        return sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(
            self.listed(columns), sql.Identifier(self.table), rest
        )

    @property
    def ordered(self) -> sql.Composable:
        """The ORDER BY clause."""
        return sql.SQL(" ORDER BY {}").format(self.listed(self.order))

    @staticmethod
    def listed(columns: Sequence[str]) -> sql.Composable:
        """Return column names, quoted and separated by commas."""
        return sql.SQL(", ").join(map(sql.Identifier, columns))


def key_of(line: bytes, columns: Sequence[str], order: Sequence[str]) -> Key:
    """Return the key of a record from its line of COPY. Keys have no character that is escaped."""
    values = line.rstrip(b"\n").split(b"\t")
    return tuple(values[columns.index(name)].decode("ascii") for name in order)


def period_of(key: Key) -> int:
    """Return the year of a record, from its id: a UUID of version 7. A partition holds one year."""
    milliseconds = UUID(key[-1]).int >> 80
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)).year


class Lines:
    """A file that COPY writes to: it keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.write = self.lines.append


def read_lines(cursor: Any, statement: sql.Composable) -> list[bytes]:
    """Return the lines of a COPY statement. psycopg2 writes one line at a time."""
    lines = Lines()
    cursor.copy_expert(statement, lines)
    return lines.lines
