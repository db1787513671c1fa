"""Rows of the current tenant, read and written as plain mappings.

Reads select columns and not entities: what a request shows is a row, and the identity map, lazy
loads and reloads after commit have no part in it.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert
from uuid_utils.compat import uuid7

from trially.database.model import TenantModel
from trially.database.placement import current_placement
from trially.database.session import db

Item = dict[str, Any]
Model = type[TenantModel]


def table_of(model: Model) -> Table:
    """Return a model's table."""
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101
    return table


def of_current_tenant(model: Model) -> ColumnElement[bool]:
    """Hold a statement to the current tenant's rows; the index of every table leads with it."""
    return table_of(model).c.tenant_id == current_placement().tenant_id


def columns_named(model: Model, names: Sequence[str]) -> list[Column[Any]]:
    """Return a model's columns by name, in the order of the names."""
    return [table_of(model).c[name] for name in names]


def fetch_items(statement: Select[Any], **parameters: Any) -> list[Item]:
    """Return the rows of a statement as mappings."""
    rows = db.session.execute(statement, parameters)
    names = tuple(rows.keys())
    # Fetched at once: one by one they take twice as long.
    return [dict(zip(names, row, strict=True)) for row in rows.all()]


def find_item(
    model: Model, item_id: UUID, names: Sequence[str], *conditions: ColumnElement[bool]
) -> Item | None:
    """Return the named columns of one row, or None if there is none that meets the conditions."""
    tenant_id = current_placement().tenant_id
    statement = _select_item(model, tuple(names))
    if conditions:
        statement = statement.where(*conditions)
    row = db.session.execute(statement, {"tenant_id": tenant_id, "id": item_id}).first()
    return None if row is None else dict(zip(names, row, strict=True))


def insert_item(model: Model, values: Mapping[str, Any], names: Sequence[str]) -> Item:
    """Insert one row and return its named columns, in one statement."""
    tenant_id = current_placement().tenant_id
    row = db.session.execute(
        _insert_item(model, tuple(names)), {"id": uuid7(), **values, "tenant_id": tenant_id}
    ).one()
    return dict(zip(names, row, strict=True))


def update_item(
    model: Model,
    item_id: UUID,
    values: Mapping[str, Any],
    names: Sequence[str],
    *conditions: ColumnElement[bool],
    versions: Collection[int] | None = None,
) -> Item | None:
    """Change one row, of these versions if any are named, and return its named columns.

    None means that there is no such row, or none that meets the conditions.
    """
    row = db.session.execute(
        update(table_of(model))
        .where(*_is_row(model, item_id, versions), *conditions)
        .values({**values, "updated_at": func.now()})
        .returning(*columns_named(model, names))
    ).first()
    return None if row is None else dict(zip(names, row, strict=True))


def delete_item(
    model: Model,
    item_id: UUID,
    *conditions: ColumnElement[bool],
    versions: Collection[int] | None = None,
) -> bool:
    """Delete one row, of these versions if any are named, that meets the conditions.

    Tells whether there was one.
    """
    statement = delete(table_of(model)).where(*_is_row(model, item_id, versions), *conditions)
    return bool(db.session.execute(statement).rowcount)  # type: ignore[attr-defined]


def keyset_after(
    keys: Sequence[tuple[SQLColumnExpression[Any], str]], position: Sequence[Any]
) -> ColumnElement[bool]:
    """Select what comes after `position` in an order of (column, "asc" or "desc") keys."""
    alternatives = []
    for index, (column, direction) in enumerate(keys):
        equal = [key == value for (key, _), value in zip(keys[:index], position, strict=False)]
        further = column > position[index] if direction == "asc" else column < position[index]
        alternatives.append(and_(*equal, further))
    return or_(*alternatives)


def _is_row(
    model: Model, item_id: UUID, versions: Collection[int] | None
) -> list[ColumnElement[bool]]:
    columns = table_of(model).c
    rules = [of_current_tenant(model), columns.id == item_id]
    return rules if versions is None else [*rules, columns.version.in_(versions)]


@cache
def _select_item(model: Model, names: tuple[str, ...]) -> Select[Any]:
    """Build the statement once: that costs more than the server takes to answer it."""
    columns = table_of(model).c
    return select(*columns_named(model, names)).where(
        columns.tenant_id == bindparam("tenant_id"), columns.id == bindparam("id")
    )


@cache
def _insert_item(model: Model, names: tuple[str, ...]) -> ReturningInsert[Any]:
    return insert(table_of(model)).returning(*columns_named(model, names))
