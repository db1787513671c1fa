"""Canary rows: for each table, a row without meaning that the table accepts.

They exist only inside a transaction that is rolled back, so nobody else ever sees one, and a killed
run leaves none behind.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from uuid import UUID

from psycopg2 import sql

from trially.proving.sweeps.relations import Column, Relation

CANARY_ID = sql.SQL("md5({run_id} || tenant_id::text)::uuid")
"""The id of the canary row of the tenant that a row belongs to."""


class Given(Enum):
    """In place of a value: what differs from tenant to tenant."""

    TENANT = "the tenant's id"
    KEY = "the id of the row"
    REFERENCE = "the id of the tenant's canary rows, in other columns"


LARGEST_NUMBER = 30_000
_CONSTANTS = {
    "bool": "false",
    "json": "{}",
    "jsonb": "{}",
    "bytea": "a canary of 32 bytes like hashes",
    "date": "today",
    "timestamp": "now",
    "timestamptz": "now",
    "time": "12:00",
    "timetz": "12:00+00",
    "interval": "0",
    "inet": "127.0.0.1",
    "cidr": "127.0.0.1/32",
    "tsvector": "canary",
    "xml": "<canary/>",
}


class NoCanaryError(Exception):
    """A table has a column that no value is known for."""


@dataclass(frozen=True)
class CanaryRow:
    """The row of one table, for any tenant."""

    relation: Relation
    values: tuple[tuple[Column, object], ...]

    def texts(self, tenant_id: UUID, reference: UUID, key: UUID | None = None) -> list[str]:
        """Return the values as text for one tenant, by default with its canary id as the key."""
        known: dict[object, UUID] = {
            Given.TENANT: tenant_id,
            Given.REFERENCE: reference,
            Given.KEY: key or reference,
        }
        return [str(known.get(value, value)) for _, value in self.values]

    def insert_sql(self, tenant_id: UUID, reference: UUID, key: UUID | None = None) -> sql.Composed:
        """Return the INSERT of the row of one tenant."""
        if not self.values:
            return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(self.relation.qualified)
        texts = self.texts(tenant_id, reference, key)
        values = [
            _literal(column, text) for (column, _), text in zip(self.values, texts, strict=True)
        ]
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            self.relation.qualified, self._columns, sql.SQL(", ").join(values)
        )

    def insert_many_sql(self, references: Mapping[UUID, UUID]) -> sql.Composed:
        """Return the INSERT of the rows of many tenants; their canary ids by tenant."""
        chosen = {
            Given.TENANT: sql.Identifier("wanted", "tenant_id"),
            Given.KEY: sql.Identifier("wanted", "reference"),
            Given.REFERENCE: sql.Identifier("wanted", "reference"),
        }
        values = [
            sql.SQL("{}::{}").format(chosen[value], sql.SQL(column.type))
            if isinstance(value, Given)
            else _literal(column, value)
            for column, value in self.values
        ]
        return sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM unnest({}::uuid[], {}::uuid[])"
            " AS wanted (tenant_id, reference)"
        ).format(
            self.relation.qualified,
            self._columns,
            sql.SQL(", ").join(values),
            sql.Literal([str(tenant_id) for tenant_id in references]),
            sql.Literal([str(reference) for reference in references.values()]),
        )

    def copy_sql(self) -> sql.Composed:
        """Return the COPY that reads the row from the client."""
        return sql.SQL("COPY {} ({}) FROM STDIN").format(self.relation.qualified, self._columns)

    def columns_of_any(self, tenant_id: sql.Composable, used_in: str) -> sql.Composable:
        """Return the SELECT list of a row of the tenant that an expression names.

        Only the columns that a condition uses are listed.
        """
        given = {
            column.name: value for column, value in self.values if not isinstance(value, Given)
        }
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(
                tenant_id
                if column.name == "tenant_id"
                else _literal(column, given.get(column.name)),
                sql.Identifier(column.name),
            )
            for column in self.relation.columns
            if column.name == "tenant_id" or column.name in used_in
        )

    @cached_property
    def changes(self) -> sql.Composable:
        """The SET list of an UPDATE: texts get another value, all other columns their own.

        So triggers that compare the old row with the new one act too.
        """
        texts = {
            column.name
            for column, value in self.values
            if column.category == "S" and not column.checks and isinstance(value, str)
        }
        return sql.SQL(", ").join(
            sql.SQL("{name} = {value}").format(
                name=sql.Identifier(column.name),
                value=_literal(column, _random_text(column))
                if column.name in texts
                else sql.Identifier(column.name),
            )
            for column in self.relation.columns
            if not column.is_generated
        )

    @cached_property
    def _columns(self) -> sql.Composable:
        return sql.SQL(", ").join(sql.Identifier(column.name) for column, _ in self.values)


def canary_id(run_id: UUID, tenant_id: UUID) -> UUID:
    """Return the id of a tenant's canary rows, the same in all tables.

    So a foreign key of one canary row finds the canary row of the other table.
    """
    # `CANARY_ID` computes the same in SQL.
    digest = hashlib.md5(f"{run_id}{tenant_id}".encode(), usedforsecurity=False)
    return UUID(digest.hexdigest())


def compose_canary(relation: Relation) -> CanaryRow:
    """Compose a row that a table accepts, or raise `NoCanaryError`."""
    return CanaryRow(
        relation,
        tuple((column, _value_of(column)) for column in relation.columns if column.must_be_given),
    )


def _literal(column: Column, value: object) -> sql.Composable:
    text = sql.Literal(None if value is None else str(value))
    return sql.SQL("{}::{}").format(text, sql.SQL(column.type))


def _value_of(column: Column) -> object:
    if column.name == "tenant_id":
        return Given.TENANT
    if column.base_type == "uuid":
        return Given.KEY if column.name == "id" else Given.REFERENCE
    if column.first_label is not None:
        return column.first_label
    if column.category == "A":
        return "{}"
    if column.category == "N":
        return column.number_in_check() or secrets.randbelow(LARGEST_NUMBER)
    if column.category == "S":
        return column.quoted_in_check() or _random_text(column)
    if column.base_type in _CONSTANTS:
        return _CONSTANTS[column.base_type]
    raise NoCanaryError(f"no value is known for the type {column.type} of {column.name}")


def _random_text(column: Column) -> str:
    return f"canary-{secrets.token_hex(20)}"[: column.max_length]
