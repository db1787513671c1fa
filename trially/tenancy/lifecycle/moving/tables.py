"""The tables of a tenant that a move copies, with the columns that are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.errors import DifferentTablesError
from trially.tenancy.lifecycle.moving.sides import Side

_COLUMNS = """
SELECT relname, attname, format_type(atttypid, atttypmod), attidentity <> '',
    EXISTS (SELECT FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod
        WHERE amname = 'hash' AND opcdefault AND opcintype = CASE
            WHEN typcategory = 'A' THEN 'anyarray'::regtype
            WHEN typname = 'varchar' THEN 'text'::regtype ELSE pg_type.oid END)
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type ON pg_type.oid = atttypid
WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname <> 'alembic_version' AND attgenerated = ''
ORDER BY relname, attname
"""


@dataclass(frozen=True)
class Column:
    """A column that is stored; generated ones are computed again."""

    name: str
    type: str
    is_identity: bool
    is_hashable: bool


@dataclass(frozen=True)
class MovedTable:
    """A table. Its primary key is (tenant_id, id), as in all tables of tenants."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def listed(self) -> sql.Composable:
        """The names of the columns, separated by commas."""
        return sql.SQL(", ").join(map(sql.Identifier, self.names))

    @property
    def hash(self) -> sql.Composable:
        """An expression for the hash of a row's stored columns, 64 bits.

        Types without a hash function, such as `tsvector`, are hashed as text.
        """
        values = [
            sql.Identifier(column.name) + sql.SQL("" if column.is_hashable else "::text")
            for column in self.columns
        ]
        return sql.SQL("hash_record_extended(ROW({}), 0)").format(sql.SQL(", ").join(values))

    @property
    def identity_columns(self) -> Sequence[str]:
        """The columns whose values a sequence makes."""
        return [column.name for column in self.columns if column.is_identity]


def read_tables(side: Side) -> Mapping[str, MovedTable]:
    """Return the tables of a side by name."""
    columns: dict[str, list[Column]] = {}
    with side.reading() as session:
        rows = session.run(_COLUMNS, side.schema)
    for table, *values in rows:
        columns.setdefault(table, []).append(Column(*values))
    return {name: MovedTable(name, tuple(each)) for name, each in columns.items()}


def common_tables(source: Side, target: Side) -> Sequence[MovedTable]:
    """Return the tables of both sides, or raise `DifferentTablesError` if they differ."""
    tables, others = read_tables(source), read_tables(target)
    if different := [
        name for name in tables.keys() | others.keys() if tables.get(name) != others.get(name)
    ]:
        raise DifferentTablesError(
            f"The columns of these tables differ between the source and the target:"
            f" {', '.join(sorted(different))}. Migrate both to the same revision, and look at"
            " `flask tenants diff`."
        )
    return list(tables.values())
