"""Sort keys of lists. Each has an index, so a sorted page costs no more than an unsorted one.

The expressions of a key are never null, because a page continues after the values of its last row,
and no row comes after null in SQL. Null counts as the smallest value.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Date, Index, String, func, literal_column
from sqlalchemy.orm import InstrumentedAttribute

from trially.database.rows import Model, table_of

Attribute = InstrumentedAttribute[Any]


class SortKey(NamedTuple):
    """What one key of `sort` orders a list by."""

    expressions: tuple[ColumnElement[Any], ...]
    fields: frozenset[str]
    """Fields that the order discloses. A caller for whom one is masked cannot sort by the key."""


def by(column: Attribute) -> SortKey:
    """Return the sort key of a column."""
    return SortKey((never_null(column),), frozenset({column.key}))


def ignoring_case(*columns: Attribute) -> SortKey:
    """Return the sort key of columns of text, the first one before the second."""
    return SortKey(
        tuple(lowered(column) for column in columns), frozenset(column.key for column in columns)
    )


def lowered(column: Attribute | Column[Any]) -> ColumnElement[str]:
    """Return a column of text in lower case, as its index holds it."""
    return func.lower(never_null(column))


def never_null(column: Attribute | Column[Any]) -> ColumnElement[Any]:
    """Return a column with its smallest value in place of null, as its index holds it.

    Raises `TypeError` if the column may be null, and is neither text nor a date.
    """
    plain: Column[Any] = column if isinstance(column, Column) else column.property.columns[0]
    if not plain.nullable:
        return plain
    # An index is used only for the very same expression, so its constants are literals. A date has
    # no cast, because the column of a sealed one is a text.
    stored = getattr(plain.type, "impl", plain.type)
    if isinstance(stored, String):
        return func.coalesce(plain, literal_column("''"))
    if isinstance(stored, Date):
        cast = "" if stored is not plain.type else "::date"
        return func.coalesce(plain, literal_column(f"'{dt.date.min}'{cast}", plain.type))
    raise TypeError(f"{plain} may be null, and has no smallest value to sort by.")


def index_sorts(model: Model, sorts: Mapping[str, SortKey]) -> Mapping[str, SortKey]:
    """Add the index of each sort key to the model's table, and return the sort keys."""
    table = table_of(model)
    for name, key in sorts.items():
        Index(f"ix_{table.name}_sort_{name}", table.c.tenant_id, *key.expressions, table.c.id)
    return sorts
