"""Seal and open whole rows, for SQL that is written as text and sees stored values."""

import secrets
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from trially.database.model import TenantModel
from trially.database.placement import current_placement
from trially.database.sealed_types import Sealable, SealedBytes, SealedDate

_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]


@cache
def sealed_columns(table: Table) -> Mapping[str, Sealable]:
    """Return the types of the columns of a table that can be sealed, by name."""
    return {column.name: column.type for column in table.c if isinstance(column.type, Sealable)}


@cache
def sealed_tables() -> tuple[Table, ...]:
    """Return the tables with such columns, by name."""
    tables = TenantModel.metadata.tables
    return tuple(tables[name] for name in sorted(tables) if sealed_columns(tables[name]))


@cache
def columns_beside(table: Table) -> frozenset[str]:
    """Return the columns that hold the sealed values of other columns."""
    kinds = sealed_columns(table).values()
    return frozenset(kind.beside for kind in kinds if isinstance(kind, SealedDate))


def stored_row(table: Table, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row as the current tenant stores it, for JSON of a statement that is a text.

    A row of a tenant without encryption is returned as it is.
    """
    if current_placement().fields.version is None:
        return row
    stored = dict(row)
    for name, kind in sealed_columns(table).items():
        if stored.get(name) is None:
            if isinstance(kind, SealedDate) and name in stored:
                stored[kind.beside] = stored.pop(name)
            continue
        value = kind.process_bind_param(stored[name], _DIALECT)
        if isinstance(kind, SealedDate):
            del stored[name]
            stored[kind.beside] = value
        else:
            stored[name] = as_hex(value) if isinstance(value, bytes) else value
    return stored


def new_keys(table: Table) -> dict[str, bytes]:
    """Return values of the columns whose random default PostgreSQL could not seal.

    They are none for a tenant without encryption.
    """
    if current_placement().fields.version is None:
        return {}
    return {
        name: secrets.token_bytes(kind.length)
        for name, kind in sealed_columns(table).items()
        if isinstance(kind, SealedBytes) and kind.length and table.c[name].server_default
    }


def open_row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with plain values. It has stored values of columns, by name."""
    opened = dict(row)
    for name, kind in sealed_columns(table).items():
        if isinstance(kind, SealedDate):
            stored = opened.pop(kind.beside, None)
            if stored is not None:
                opened[name] = kind.process_result_value(stored, _DIALECT)
        elif opened.get(name) is not None:
            opened[name] = kind.process_result_value(opened[name], _DIALECT)
    return opened


def open_rows(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with plain values."""
    return [open_row(table, row) for row in rows]


def as_hex(value: bytes) -> str:
    """Return bytes in PostgreSQL's notation."""
    return f"\\x{value.hex()}"
