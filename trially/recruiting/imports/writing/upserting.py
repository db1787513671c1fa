"""Insert or update many rows in one statement, from one JSON parameter.

The statement writes a row only if its digest differs from the stored one. It works in every tier.
The alternatives do not: PostgreSQL rejects `COPY FROM` on a table with row-level security, and the
roles of tenants may not create temporary tables.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, Table, text
from sqlalchemy.dialects import postgresql

from trially.database.placement import current_placement
from trially.database.rows import Model, table_of
from trially.database.session import db

HASH_BYTES = 16
HASH_COLUMN = "content_hash"
SOURCE_COLUMNS = ("id", "source", HASH_COLUMN)
"""Columns that the writer adds to each row of a source."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class RowTypeError(TypeError):
    """The fields of a row type and the columns of its table do not match."""


def digest(json_rows: bytes) -> str:
    """Return the digest of a resource's rows, in PostgreSQL's notation for bytes."""
    return "\\x" + hashlib.blake2b(json_rows, digest_size=HASH_BYTES).hexdigest()


def compose_insert(
    model: Model, row_type: type[Any], *, added: Sequence[str], not_stored: Iterable[str] = ()
) -> str:
    """Compose the statement that inserts the rows of the parameter `rows`.

    It writes the columns that `row_type` and `added` name. All other columns get their defaults.
    """
    table = table_of(model)
    return _compose_insert(table, _written_columns(table, row_type, added, frozenset(not_stored)))


def compose_upsert(
    model: Model,
    row_type: type[Any],
    key: Sequence[str],
    *,
    added: Sequence[str] = (),
    not_stored: Iterable[str] = (),
    also_set: str = "",
    returning: str = "",
) -> str:
    """Compose the statement that inserts new rows and updates rows whose digest differs.

    `row_type` is a TypedDict or dataclass. The statement writes the columns that its fields,
    `added` and `SOURCE_COLUMNS` name. All other columns keep their values in an update, and get
    their defaults in an insert. `not_stored` lists the fields that have no column. `key` names the
    unique columns after `tenant_id`. The statement returns `is_new` for each written row, and
    `returning`.

    Raises `RowTypeError` for a field or an added name without a column, unless it is `not_stored`.
    """
    table = table_of(model)
    names = _written_columns(table, row_type, (*SOURCE_COLUMNS, *added), frozenset(not_stored))
    assignments = [f"{name} = excluded.{name}" for name in names if name not in {"id", *key}]
    if "updated_at" in table.c:
        assignments.append("updated_at = now()")
    if also_set:
        assignments.append(also_set)
    same_key = " AND ".join(f"old.{name} = r.{name}" for name in key)
    return (
        f"{_compose_insert(table, names)}"
        # A subquery instead of a join: if the table has grown since the last ANALYZE, PostgreSQL
        # runs the join as a scan of all the tenant's rows for each batch.
        f" WHERE (SELECT old.{HASH_COLUMN} FROM {table.name} old"
        f" WHERE old.tenant_id = CAST(:tenant_id AS uuid) AND {same_key})"
        f" IS DISTINCT FROM r.{HASH_COLUMN}"
        f" ON CONFLICT (tenant_id, {', '.join(key)}) DO UPDATE SET {', '.join(assignments)}"
        f" RETURNING {table.name}.xmax = 0 AS is_new{returning and ', ' + returning}"
    )


def run_with_rows(statement: str, items: Iterable[Any], **parameters: Any) -> Sequence[Row[Any]]:
    """Run a statement with the current tenant's id and `items` as its rows; return its result."""
    result = db.session.connection().execute(
        text(statement),
        {
            **parameters,
            "tenant_id": str(current_placement().tenant_id),
            "rows": orjson.dumps(list(items)).decode(),
        },
    )
    return result.all() if result.returns_rows else []


def _written_columns(
    table: Table, row_type: type[Any], added: Sequence[str], not_stored: frozenset[str]
) -> list[str]:
    """Return the columns that rows of a type fill, and check the row type against the table."""
    fields = set(row_type.__annotations__)
    columns = set(table.c.keys())
    if missing := (fields | set(added)) - columns - not_stored:
        raise RowTypeError(f"The table {table.name} has no column for {_names(missing)}.")
    if wrong := not_stored - (fields - columns):
        raise RowTypeError(
            f"Remove {_names(wrong)} from `not_stored`: {row_type.__name__} has no such field, or"
            f" {table.name} has the column."
        )
    return [*added, *(name for name in row_type.__annotations__ if name not in not_stored)]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _compose_insert(table: Table, names: Sequence[str]) -> str:
    columns = ", ".join(names)
    record = ", ".join(f"{name} {table.c[name].type.compile(_DIALECT)}" for name in names)
    return (
        f"INSERT INTO {table.name} (tenant_id, {columns})"
        f" SELECT CAST(:tenant_id AS uuid), {columns}"
        f" FROM json_to_recordset(CAST(:rows AS json)) AS r({record})"
    )
