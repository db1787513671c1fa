"""Insert or update many rows in one statement, from one JSON parameter.

The statement writes a row only if its digest differs from the stored one. It works in every tier.
The alternatives do not: PostgreSQL rejects `COPY FROM` on a table with row-level security, and the
roles of tenants may not create temporary tables.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
import uuid_utils
from sqlalchemy import Row, Table, text
from sqlalchemy.dialects import postgresql

from trially.database.placement import current_placement
from trially.database.rows import Model, table_of
from trially.database.session import db

HASH_BYTES = 16
HASH_COLUMN = "content_hash"
VERSION_COLUMNS = ("version_at", "version_number")
SOURCE_COLUMNS = ("id", "source", "base_url", HASH_COLUMN, *VERSION_COLUMNS)
"""Columns that the writer adds to each row of a source."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class RowTypeError(TypeError):
    """The fields of a row type and the columns of its table do not match."""


def digest(json_rows: bytes) -> str:
    """Return the digest of a resource's rows, in PostgreSQL's notation for bytes."""
    return "\\x" + hashlib.blake2b(json_rows, digest_size=HASH_BYTES).hexdigest()


def new_id() -> str:
    """Return the id of a new row, a UUID of version 7, as the text that JSON has.

    A `uuid.UUID` takes three times as long.
    """
    return str(uuid_utils.uuid7())


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
    kept: Mapping[str, str] = MappingProxyType({}),
    stored_in: Mapping[str, str] = MappingProxyType({}),
    new_only: Sequence[str] = (),
    new_if: str = "true",
    returning: str = "",
) -> str:
    """Compose the statement that inserts new rows and updates rows whose digest differs.

    It is a list of common table expressions, and a query has to follow. `incoming` has the given
    rows and the `state` of each: null (new), `changed`, `stale` (the stored version is newer) or
    `same`. `written` has those that were inserted or updated.

    `row_type` is a TypedDict or dataclass. The statement writes the columns that its fields,
    `added` and `SOURCE_COLUMNS` name. All other columns keep their values in an update, and get
    their defaults in an insert. `not_stored` lists the fields that have no column. `key` names the
    unique columns after `tenant_id`. `kept` maps columns to the SQL of their values in an update.
    `stored_in` maps fields to columns of other names, and an update leaves `new_only` alone.
    `new_if` is SQL that a row of `incoming` must meet to be inserted as new.
    `written` has `is_new`, and `returning`. A withdrawn row that is written is in use again.

    Raises `RowTypeError` for a field or an added name without a column, unless it is `not_stored`.
    """
    table = table_of(model)
    written = _written_columns(table, row_type, (*SOURCE_COLUMNS, *added), frozenset(not_stored))
    names = [*(stored_in.get(name, name) for name in written), *new_only]
    assignments = [
        f"{name} = {kept.get(name, f'excluded.{name}')}"
        for name in names
        if name not in {"id", *key, *new_only}
    ]
    if "updated_at" in table.c:
        assignments.append("updated_at = now()")
    if "withdrawn_at" in table.c:
        assignments.append("withdrawn_at = NULL, withdrawn_reason = NULL")
    if also_set:
        assignments.append(also_set)
    columns = ", ".join(names)
    same_key = " AND ".join(f"old.{name} = r.{name}" for name in key)
    is_used = " AND old.withdrawn_at IS NULL" if "withdrawn_at" in table.c else ""
    return (
        "WITH incoming AS MATERIALIZED (SELECT r.*,"
        # A subquery instead of a join: if the table has grown since the last ANALYZE, PostgreSQL
        # runs the join as a scan of all the tenant's rows for each batch.
        f" (SELECT CASE WHEN {is_newer('old', 'r')} THEN 'stale'"
        f" WHEN old.{HASH_COLUMN} = r.{HASH_COLUMN}{is_used} THEN 'same' ELSE 'changed' END"
        f" FROM {table.name} old"
        f" WHERE old.tenant_id = CAST(:tenant_id AS uuid) AND {same_key}) AS state"
        f" FROM {_recordset(table, names)}"
        f"), written AS (INSERT INTO {table.name} (tenant_id, {columns})"
        f" SELECT CAST(:tenant_id AS uuid), {columns} FROM incoming"
        f" WHERE state = 'changed' OR state IS NULL AND {new_if}"
        f" ON CONFLICT (tenant_id, {', '.join(key)}) DO UPDATE SET {', '.join(assignments)}"
        f" RETURNING {table.name}.xmax = 0 AS is_new{returning and ', ' + returning}"
        # The version of unchanged content is stored, so that a version in between is recognised.
        f"), renewed AS (UPDATE {table.name} old SET version_at = r.version_at,"
        " version_number = r.version_number FROM incoming r"
        f" WHERE old.tenant_id = CAST(:tenant_id AS uuid) AND {same_key} AND r.state = 'same'"
        " AND (old.version_at, old.version_number)"
        " IS DISTINCT FROM (r.version_at, r.version_number))"
    )


def is_newer(stored: str, incoming: str) -> str:
    """Return SQL that tells whether a stored row has a newer version than an incoming one.

    Without times, or with equal ones, the numbers decide. Without both, no row is newer.
    """
    return (
        f"({stored}.version_at > {incoming}.version_at"
        f" OR ({stored}.version_at < {incoming}.version_at) IS NOT TRUE"
        f" AND {stored}.version_number > {incoming}.version_number)"
    )


def run_with_rows(statement: str, items: Iterable[Any], **parameters: Any) -> Sequence[Row[Any]]:
    """Run a statement with the current tenant's id and `items` as its rows; return its result."""
    return run_with_json(statement, orjson.dumps(list(items)).decode(), **parameters)


def run_with_json(statement: str, rows: str, **parameters: Any) -> Sequence[Row[Any]]:
    """Run a statement with the current tenant's id and rows that are JSON already."""
    result = db.session.connection().execute(
        text(statement),
        {
            **parameters,
            "tenant_id": str(current_placement().tenant_id),
            "rows": rows,
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
    return (
        f"INSERT INTO {table.name} (tenant_id, {columns})"
        f" SELECT CAST(:tenant_id AS uuid), {columns} FROM {_recordset(table, names)}"
    )


def _recordset(table: Table, names: Sequence[str]) -> str:
    record = ", ".join(f"{name} {table.c[name].type.compile(_DIALECT)}" for name in names)
    return f"json_to_recordset(CAST(:rows AS json)) AS r({record})"
