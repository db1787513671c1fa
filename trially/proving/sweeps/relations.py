"""The tables and views of a schema as the database has them, with or without a model."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.servers.connections import execute

TABLE_KINDS = ("r", "p")
"""`pg_class.relkind` of what rows are written to; views and foreign tables are only read."""

REVISION_TABLE = "alembic_version"

_RELATIONS = """
SELECT relname, relkind::text, relispartition, relrowsecurity,
    (SELECT array_agg(parent.relname) FROM pg_constraint
        JOIN pg_class AS parent ON parent.oid = confrelid
        WHERE conrelid = pg_class.oid AND contype = 'f'
        AND parent.relnamespace = pg_class.relnamespace)
FROM pg_class
WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p', 'v', 'm', 'f')
AND relname <> %s
ORDER BY relname
"""

_COLUMNS = """
SELECT relname, attname, format_type(atttypid, NULL), coalesce(base.typname, pg_type.typname),
    pg_type.typcategory::text,
    CASE WHEN coalesce(base.typname, pg_type.typname) IN ('varchar', 'bpchar')
        THEN coalesce(nullif(typmod.value, -1) - 4, 10000000) ELSE 10000000 END,
    (attnotnull OR pg_type.typnotnull)
        AND NOT (atthasdef OR attidentity <> '' OR attgenerated <> '')
        OR attname IN ('tenant_id', 'id') AND attgenerated = '' AND attidentity = '',
    attidentity <> '' OR attgenerated <> '',
    (SELECT enumlabel FROM pg_enum WHERE enumtypid = coalesce(base.oid, pg_type.oid)
        ORDER BY enumsortorder LIMIT 1),
    (SELECT array_agg(pg_get_constraintdef(pg_constraint.oid)) FROM pg_constraint
        WHERE conrelid = attrelid AND contype = 'c' AND conkey = ARRAY[attnum])
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_type AS base ON base.oid = nullif(pg_type.typbasetype, 0)
CROSS JOIN LATERAL (SELECT CASE WHEN atttypmod = -1 THEN pg_type.typtypmod ELSE atttypmod END)
    AS typmod (value)
WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p', 'v', 'm', 'f')
AND attnum > 0 AND NOT attisdropped
ORDER BY relname, attnum
"""

_QUOTED = re.compile(r"'((?:[^']|'')*)'::")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Column:
    """A column, with what is needed to fill it in a canary row."""

    name: str
    type: str
    base_type: str
    category: str
    """`pg_type.typcategory` of the type."""

    max_length: int
    must_be_given: bool
    """Whether a row without a value for it is refused, or it is part of every tenant's key."""

    is_generated: bool
    """Whether PostgreSQL computes its value."""

    first_label: str | None
    """The first value of an enumerated type."""

    checks: tuple[str, ...] = ()
    """The definitions of the CHECK constraints on this column alone."""

    def quoted_in_check(self) -> str | None:
        """Return the first text that a CHECK of this column quotes, which it probably accepts."""
        return next((match[1] for check in self.checks for match in _QUOTED.finditer(check)), None)

    def number_in_check(self) -> str | None:
        """Return the first number in a CHECK of this column, which it probably accepts."""
        return next((match[0] for check in self.checks for match in _NUMBER.finditer(check)), None)


@dataclass(frozen=True)
class Relation:
    """A table or view."""

    schema: str
    name: str
    kind: str
    is_partition: bool = False
    has_row_security: bool = False
    columns: tuple[Column, ...] = field(default=(), repr=False)
    references: frozenset[str] = frozenset()
    """The names of the tables of the same schema that its foreign keys refer to."""

    @property
    def label(self) -> str:
        """The qualified name, for reports."""
        return f"{self.schema}.{self.name}"

    @property
    def qualified(self) -> sql.Composable:
        """The qualified name as SQL."""
        return sql.Identifier(self.schema, self.name)

    @property
    def unqualified(self) -> sql.Composable:
        """The name as SQL that relies on the search_path."""
        return sql.Identifier(self.name)

    @property
    def is_table(self) -> bool:
        """Whether rows are written to it directly."""
        return self.kind in TABLE_KINDS

    @property
    def is_planted(self) -> bool:
        """Whether canary rows are inserted into it; a partition receives those of its table."""
        return self.is_table and not self.is_partition

    def column(self, name: str) -> Column | None:
        """Return a column by its name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def has_tenant(self) -> bool:
        """Whether its rows name their tenant."""
        return self.column("tenant_id") is not None

    @property
    def has_key(self) -> bool:
        """Whether its rows have the key that every tenant table has."""
        row_id = self.column("id")
        return self.has_tenant and row_id is not None and row_id.base_type == "uuid"


def relations_in(raw: connection, schema: str) -> list[Relation]:
    """Return the tables and views of a schema: those that others refer to come first."""
    columns: dict[str, list[Column]] = {}
    for name, *values, checks in execute(raw, _COLUMNS, schema):
        columns.setdefault(name, []).append(Column(*[*values, tuple(checks or ())]))
    found = [
        Relation(
            schema,
            name,
            kind,
            is_partition,
            has_row_security,
            tuple(columns.get(name, ())),
            frozenset(references or ()),
        )
        for name, kind, is_partition, has_row_security, references in execute(
            raw, _RELATIONS, schema, REVISION_TABLE
        )
    ]
    return list(_parents_first(found))


def _parents_first(relations: Sequence[Relation]) -> Iterator[Relation]:
    """Yield each relation after those that it refers to; within a cycle in the given order."""
    waiting = list(relations)
    while waiting:
        names = {relation.name for relation in waiting}
        free = [each for each in waiting if not each.references & (names - {each.name})]
        for relation in free or waiting[:1]:
            yield relation
            waiting.remove(relation)
