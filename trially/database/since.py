"""Columns and tables that tenants of the revision before do not have yet.

Tenants are migrated one after the other, while this version serves all of them. A column says
since which revision it exists:

    nickname: Mapped[str | None] = mapped_column(String(40), info=since("0018"))

and a table likewise, with `__table_args__ = {"info": since("0018")}`. For a tenant before that
revision `rows` and `Resource` read NULL in place of the column, and refuse to store a value.
`docs/changing.md` tells when the mark may be removed.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, null, type_coerce

from trially.database.placement import OutdatedTenantError, current_placement

SINCE = "trially.since"

NOTHING: frozenset[str] = frozenset()


def since(revision: str) -> dict[str, Any]:
    """Return the `info` of a column or a table that a migration adds."""
    if not revision.isdecimal():
        raise ValueError(f"{revision!r} is not the number of a migration.")
    return {SINCE: revision}


def missing_columns(table: Table) -> frozenset[str]:
    """Return the names of the columns that the current tenant does not have yet.

    Raises `OutdatedTenantError` if it does not have the table. Every column of a tenant exists if
    its revision is unknown.
    """
    marks = _marks(table)
    revision = current_placement().revision if marks else None
    if revision is None or not revision.isdecimal():
        return NOTHING
    if (of_table := table.info.get(SINCE)) and int(of_table) > int(revision):
        raise OutdatedTenantError(f"The tenant does not have the table {table.name} yet.")
    return frozenset(name for name, first in marks.items() if int(first) > int(revision))


def without_missing(
    elements: Iterable[ColumnElement[Any]], missing: frozenset[str]
) -> list[ColumnElement[Any]]:
    """Return columns to read, with NULL in place of each that is missing."""
    return [
        type_coerce(null(), element.type).label(element.name)
        if isinstance(element, Column) and element.name in missing
        else element
        for element in elements
    ]


def storable(values: Mapping[str, Any], missing: frozenset[str]) -> Mapping[str, Any]:
    """Return the values without those of missing columns, which must be None.

    Raises `OutdatedTenantError` for another value, because it would be lost.
    """
    if not missing:
        return values
    for name in missing & values.keys():
        if values[name] is not None:
            raise OutdatedTenantError(f"The tenant does not have the column {name} yet.")
    return {name: value for name, value in values.items() if name not in missing}


@cache
def _marks(table: Table) -> Mapping[str, str]:
    """Return since when the marked columns of a table exist; all, if the table itself is marked."""
    of_table = table.info.get(SINCE)
    return {
        column.name: first
        for column in table.c
        if (first := column.info.get(SINCE, of_table)) is not None
    }
