"""Read and write rows of the current tenant as plain mappings.

Reads select columns instead of entities, because responses need rows only. So no identity map, lazy
load or reload after commit is involved.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from uuid_utils.compat import uuid7

from trially.database.changes import columns_for_audit, note_change, note_derived
from trially.database.fixed_statements import FixedStatement
from trially.database.model import CatalogModel, TenantModel
from trially.database.placement import current_placement
from trially.database.sealed_rows import new_keys
from trially.database.session import db
from trially.database.since import lacking

Item = dict[str, Any]
Model = type[TenantModel]

INSERTS_CACHED = 1_000
"""Statements that are kept, for each model and the columns that a client names in one body."""


def table_of(model: Model | type[CatalogModel]) -> Table:
    """Return a model's table."""
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101
    return table


def of_current_tenant(model: Model) -> ColumnElement[bool]:
    """Return the condition that selects the current tenant's rows.

    Every index of a tenant table begins with `tenant_id`, so the condition is always indexed.
    """
    return table_of(model).c.tenant_id == current_placement().tenant_id


def columns_named(model: Model, names: Sequence[str]) -> list[Column[Any]]:
    """Return a model's columns by name, in the order of the names."""
    return [table_of(model).c[name] for name in names]


def fetch_items(statement: Select[Any], **parameters: Any) -> list[Item]:
    """Return the rows of a statement as mappings."""
    rows = db.session.execute(statement, parameters)
    names = tuple(rows.keys())
    # `all()` fetches in one call; iterating over the result takes twice as long.
    return [dict(zip(names, row, strict=True)) for row in rows.all()]


def fetch_fixed(statement: FixedStatement, **parameters: Any) -> list[Item]:
    """Return the rows of a fixed statement as mappings."""
    return statement.run(parameters).items()


def find_item(
    model: Model, item_id: UUID, names: Sequence[str], *conditions: ColumnElement[bool]
) -> Item | None:
    """Return the named columns of one row, or None if no row meets the conditions."""
    parameters = {"tenant_id": current_placement().tenant_id, "id": item_id}
    fixed = _select_item(model, tuple(names))
    if not conditions:
        return next(iter(fixed.run(parameters).items()), None)
    narrowed = cast("Select[Any]", fixed.statement).where(*conditions)
    row = db.session.execute(narrowed, parameters).first()
    return None if row is None else dict(zip(names, row, strict=True))


def lock_item(
    model: Model,
    item_id: UUID,
    names: Sequence[str],
    *conditions: ColumnElement[bool],
    versions: Collection[int] | None = None,
) -> Item | None:
    """Return the named columns of one row as `find_item` does, and lock it until the end.

    With `versions`, the row's version must be one of them.
    """
    statement = (
        select(*columns_named(model, names))
        .where(*_is_row(model, item_id, versions), *conditions)
        .with_for_update()
    )
    return next(iter(fetch_items(statement)), None)


def insert_item(model: Model, values: Mapping[str, Any], names: Sequence[str]) -> Item:
    """Insert one row and return its named columns, in one statement."""
    item = insert_item_unless(None, model, values, names)
    assert item is not None  # noqa: S101
    return item


def insert_item_unless(
    condition: ColumnElement[bool] | None,
    model: Model,
    values: Mapping[str, Any],
    names: Sequence[str],
) -> Item | None:
    """Insert one row as `insert_item` does; return None if the condition holds.

    The condition has bind parameters with the names of columns that `values` have, or `tenant_id`.
    It is one object for all calls, because statements are kept by it.
    """
    item_id = values.get("id") or uuid7()
    returned = _with_audited(model, names)
    row = {
        **new_keys(table_of(model)),
        **values,
        "id": item_id,
        "tenant_id": current_placement().tenant_id,
    }
    if condition is not None and lacking():
        # Then the columns of each INSERT are chosen at its execution, from its VALUES.
        if db.session.execute(select(condition), row).scalar_one():
            return None
        condition = None
    item = next(iter(_insert_item(model, returned, tuple(row), condition).run(row).items()), None)
    if item is None:
        note_derived(table_of(model).name)
        return None
    note_change(model, item_id, item, {name: (None, values[name]) for name in values})
    return {name: item[name] for name in names}


def update_item(
    model: Model,
    item_id: UUID,
    values: Mapping[str, Any],
    names: Sequence[str],
    *conditions: ColumnElement[bool],
    versions: Collection[int] | None = None,
) -> Item | None:
    """Change one row and return its named columns, or None if no row meets the conditions.

    With `versions`, the row's version must be one of them.
    """
    if not values:
        return lock_item(model, item_id, names, *conditions, versions=versions)
    table, returned = table_of(model), _with_audited(model, names)
    former = (
        select(table.c.tenant_id, table.c.id, *columns_named(model, list(values)))
        .where(*_is_row(model, item_id, versions), *conditions)
        .with_for_update()
        .cte("former")
    )
    row = db.session.execute(
        update(table)
        .where(table.c.tenant_id == former.c.tenant_id, table.c.id == former.c.id)
        .values(**values)
        .returning(
            *columns_named(model, returned),
            *(table.c[name] for name in values),
            *(former.c[name] for name in values),
        )
    ).first()
    if row is None:
        return None
    item = dict(zip(returned, row, strict=False))
    new, old = row[len(returned) :][: len(values)], row[len(returned) + len(values) :]
    note_change(model, item_id, item, dict(zip(values, zip(old, new, strict=True), strict=True)))
    return {name: item[name] for name in names}


def delete_item(
    model: Model,
    item_id: UUID,
    *conditions: ColumnElement[bool],
    versions: Collection[int] | None = None,
) -> bool:
    """Delete one row, and return whether a row met the conditions.

    With `versions`, the row's version must be one of them.
    """
    returned = _with_audited(model, ("id",))
    row = db.session.execute(
        delete(table_of(model))
        .where(*_is_row(model, item_id, versions), *conditions)
        .returning(*columns_named(model, returned))
    ).first()
    if row is None:
        return False
    note_change(model, item_id, dict(zip(returned, row, strict=True)), {})
    return True


def keyset_after(
    keys: Sequence[tuple[SQLColumnExpression[Any], str]], position: Sequence[Any]
) -> ColumnElement[bool]:
    """Return the condition for rows after `position`, in an order by several keys.

    Each key is a column that is never null, and its direction, "asc" or "desc". PostgreSQL begins
    at the position in an index that has the order, or the order of the first key.
    """
    columns, directions = zip(*keys, strict=True)
    if len(set(directions)) == 1:
        row, after = tuple_(*columns), tuple_(*position)
        if len(columns) == 1:
            row, after = columns[0], position[0]
        return row > after if directions[0] == "asc" else row < after
    alternatives = []
    for index, (column, direction) in enumerate(keys):
        equal = [key == value for key, value in zip(columns[:index], position, strict=False)]
        further = column > position[index] if direction == "asc" else column < position[index]
        alternatives.append(and_(*equal, further))
    first = columns[0] >= position[0] if directions[0] == "asc" else columns[0] <= position[0]
    return and_(first, or_(*alternatives))


def _with_audited(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, and those of the columns that the audit record needs."""
    return (*names, *(name for name in columns_for_audit(model) if name not in names))


def _is_row(
    model: Model, item_id: UUID, versions: Collection[int] | None
) -> list[ColumnElement[bool]]:
    columns = table_of(model).c
    rules = [of_current_tenant(model), columns.id == item_id]
    return rules if versions is None else [*rules, columns.version.in_(versions)]


@cache
def _select_item(model: Model, names: tuple[str, ...]) -> FixedStatement:
    """Build the statement once, because building it takes longer than executing it."""
    columns = table_of(model).c
    return FixedStatement(
        select(*columns_named(model, names)).where(
            columns.tenant_id == bindparam("tenant_id"), columns.id == bindparam("id")
        )
    )


@lru_cache(INSERTS_CACHED)
def _insert_item(
    model: Model,
    names: tuple[str, ...],
    written: tuple[str, ...],
    unless: ColumnElement[bool] | None,
) -> FixedStatement:
    """Build the statement that writes some columns once. Bodies may have columns in any order."""
    table, returned = table_of(model), columns_named(model, names)
    if unless is None:
        return FixedStatement(insert(table).returning(*returned), written)
    values: list[BindParameter[Any]] = [
        bindparam(name, type_=table.c[name].type) for name in written
    ]
    return FixedStatement(
        insert(table)
        .from_select(list(written), select(*values).where(not_(unless)))
        .returning(*returned)
    )
