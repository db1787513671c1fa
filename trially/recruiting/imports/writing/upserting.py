"""Upsert many rows in one statement, from one JSON parameter, touching only what has changed.

That works alike in every tier: `COPY FROM` is refused under row-level security, and temporary
tables are not granted.
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
_NOT_CARRIED = frozenset({"tenant_id", "created_at", "updated_at", "version"})
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def digest(written: bytes) -> str:
    """Digest what a source said, in the form in which PostgreSQL writes bytes."""
    return "\\x" + hashlib.blake2b(written, digest_size=HASH_BYTES).hexdigest()


def compose_insert(model: Model) -> str:
    """Compose the statement that inserts the rows of the parameter `rows`."""
    table = table_of(model)
    names = _carried(table, frozenset())
    return (
        f"INSERT INTO {table.name} (tenant_id, {', '.join(names)})"
        f" SELECT CAST(:tenant_id AS uuid), {', '.join(names)} FROM {_records(table, names)}"
    )


def compose_upsert(
    model: Model,
    key: Sequence[str],
    *,
    kept: frozenset[str] = frozenset(),
    also_set: str = "",
    returning: str = "",
) -> str:
    """Compose the statement that inserts rows or updates those whose digest differs.

    `key` names the unique columns after `tenant_id`, `kept` those that are not the source's to
    say. It returns each written row's `is_new`, and `returning`.
    """
    table = table_of(model)
    names = _carried(table, kept)
    changed = [name for name in names if name not in {"id", *key}]
    stamps = ["updated_at = now()"] if "updated_at" in table.c else []
    assignments = [f"{name} = excluded.{name}" for name in changed] + stamps
    if also_set:
        assignments.append(also_set)
    same_key = " AND ".join(f"old.{name} = r.{name}" for name in key)
    return (
        f"INSERT INTO {table.name} (tenant_id, {', '.join(names)})"
        f" SELECT CAST(:tenant_id AS uuid), {', '.join(names)} FROM {_records(table, names)}"
        # A subquery and not a join: on a table that has grown since it was last analysed, a join
        # would read all of the tenant's rows for each batch.
        f" WHERE (SELECT old.{HASH_COLUMN} FROM {table.name} old"
        f" WHERE old.tenant_id = CAST(:tenant_id AS uuid) AND {same_key})"
        f" IS DISTINCT FROM r.{HASH_COLUMN}"
        f" ON CONFLICT (tenant_id, {', '.join(key)}) DO UPDATE SET {', '.join(assignments)}"
        f" RETURNING {table.name}.xmax = 0 AS is_new{returning and ', ' + returning}"
    )


def run_with_rows(statement: str, items: Iterable[Any], **parameters: Any) -> Sequence[Row[Any]]:
    """Run a composed statement with the current tenant's id and `items` as its rows."""
    result = db.session.connection().execute(
        text(statement),
        {
            **parameters,
            "tenant_id": str(current_placement().tenant_id),
            "rows": orjson.dumps(list(items)).decode(),
        },
    )
    return result.all() if result.returns_rows else []


def _carried(table: Table, kept: frozenset[str]) -> list[str]:
    return [column.name for column in table.c if column.name not in _NOT_CARRIED | kept]


def _records(table: Table, names: Sequence[str]) -> str:
    columns = ", ".join(f"{name} {table.c[name].type.compile(_DIALECT)}" for name in names)
    return f"json_to_recordset(CAST(:rows AS json)) AS r({columns})"
