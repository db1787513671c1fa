"""Bring rows into the form that the current tenant's state asks for: sealed, readable, or resealed.

It reads each form and writes that of writers. A row that has it already is not written, so the work
can be repeated. What clients see of a row stays the same, so its version does not grow.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql

from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.sealed_rows import open_row, sealed_columns, stored_row
from trially.database.sealed_types import SealedBytes, SealedDate, SealedJson, SealedText
from trially.database.sealing import MARK
from trially.database.session import db
from trially.database.since import lacking

_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]


def settle_rows(table: Table, ids: Collection[UUID], column: str = "id") -> list[UUID]:
    """Settle the rows of a table that have one of these ids in a column.

    Returns the ids of the rows that were written.
    """
    names = _names(table)
    rows = _run(
        f"SELECT id, {', '.join(names)} FROM {table.name}"
        f" WHERE tenant_id = CAST(:tenant_id AS uuid) AND {column} = ANY(CAST(:ids AS uuid[]))"
        " ORDER BY id FOR NO KEY UPDATE",
        ids=[str(each) for each in ids],
    ).mappings()
    changed = []
    for row in rows:
        former = {name: _as_json(value) for name, value in row.items()}
        settled = {name: _as_json(value) for name, value in _settled(table, row).items()}
        if settled != former:
            changed.append(settled)
    if changed:
        _write(table, names, changed)
    return [UUID(row["id"]) for row in changed]


def has_sealed(table: Table) -> bool:
    """Return whether the current tenant has an encrypted row in a table."""
    conditions, missing = [], lacking().of(table)
    for name, kind in sealed_columns(table).items():
        if name in missing:
            continue
        if isinstance(kind, SealedText):
            conditions.append(f"starts_with({name}, :mark)")
        elif isinstance(kind, SealedDate):
            conditions.append(f"{kind.beside} IS NOT NULL")
        elif isinstance(kind, SealedJson):
            conditions.append(f"jsonb_typeof({name}) = 'string'")
        elif isinstance(kind, SealedBytes) and kind.length is not None:
            conditions.append(f"length({name}) <> {kind.length:d}")
    found = _run(
        f"SELECT EXISTS (SELECT FROM {table.name} WHERE tenant_id = CAST(:tenant_id AS uuid)"
        f" AND ({' OR '.join(conditions)}))",
        mark=MARK,
    )
    return bool(found.scalar_one())


def next_ids(table: Table, after: UUID, most: int) -> list[UUID]:
    """Return the ids of the current tenant's next rows."""
    found = _run(
        f"SELECT id FROM {table.name} WHERE tenant_id = CAST(:tenant_id AS uuid)"
        " AND id > CAST(:after AS uuid) ORDER BY id LIMIT :most",
        after=str(after),
        most=most,
    )
    return list(found.scalars())


def _settled(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    opened = open_row(table, row)
    settled: dict[str, Any] = dict.fromkeys(row)
    settled.update(stored_row(table, opened))
    return settled


def _write(table: Table, names: Collection[str], rows: list[dict[str, Any]]) -> None:
    record = ", ".join(f"{name} {table.c[name].type.compile(_DIALECT)}" for name in names)
    changes = ", ".join(f"{name} = r.{name}" for name in names)
    _run("SELECT set_config('trially.keeps_versions', 'yes', true)")
    _run(
        f"UPDATE {table.name} SET {changes}"
        f" FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, {record})"
        f" WHERE {table.name}.tenant_id = CAST(:tenant_id AS uuid) AND {table.name}.id = r.id",
        rows=orjson.dumps(rows).decode(),
    )
    _run("SELECT set_config('trially.keeps_versions', '', true)")
    note_derived(table.name)


def _names(table: Table) -> list[str]:
    names, missing = [], lacking().of(table)
    for name, kind in sealed_columns(table).items():
        if name in missing:
            continue
        names += [name, kind.beside] if isinstance(kind, SealedDate) else [name]
    return names


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return f"\\x{bytes(value).hex()}"
    return str(value) if isinstance(value, dt.date | UUID) else value


def _run(statement: str, **parameters: Any) -> Any:
    return db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": str(current_placement().tenant_id)}
    )
