"""Choose the rows to take back, with those that they reference, and read them from the copy."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select

from trially.audit.working import working
from trially.database.changes import PATIENT_TABLE, is_audited
from trially.database.model import TenantModel
from trially.database.rows import Model, fetch_items, of_current_tenant, table_of
from trially.database.session import transaction
from trially.taking_back.differences import TableDifference, TakeBackError
from trially.tenancy.context import administered_tenant
from trially.tenancy.erasing.persons import erasures_since
from trially.tenancy.lifecycle.listing import get_tenant

MOST_ROWS = 20_000
"""How many rows are taken back in one transaction."""

ACCESS = frozenset({"member", "member_site"})
"""Tables that say who may sign in."""

_EVER = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

Row = Mapping[str, Any]
Rows = dict[str, dict[UUID, Row]]
"""By table and id."""


def models() -> Mapping[str, Model]:
    """Return the models of tenants' tables by the name of the table."""
    return {
        mapper.local_table.name: mapper.class_
        for mapper in TenantModel.registry.mappers
        if isinstance(mapper.local_table, Table)
    }


def refuse_table(name: str) -> None:
    """Raise `TakeBackError` for a table whose rows are not taken back by themselves."""
    if name in ACCESS:
        raise TakeBackError(
            f"Rows of {name} are not taken back, because they say who may sign in. Use `flask"
            " tenants members`."
        )
    if not is_audited(table_of(models()[name])):
        raise TakeBackError(
            f"Rows of {name} are not taken back by themselves. They are written with the rows that"
            " they belong to: take those back."
        )


def choose_ids(
    differences: Sequence[TableDifference], keys: Collection[str], *, only_changed: bool
) -> dict[str, set[UUID]]:
    """Return the ids of the rows to take back, by table. Without keys, all that differ.

    Rows that were added since are never chosen. Raises `TakeBackError` for a key that is not among
    the rows that differ.
    """
    chosen = {
        each.table: {
            UUID(key)
            for key in (*each.changed, *(() if only_changed else each.removed))
            if not keys or key in keys
        }
        for each in differences
    }
    known = {str(key) for ids in chosen.values() for key in ids}
    if missing := sorted(set(keys) - known):
        raise TakeBackError(
            f"There is nothing to take back for the key {', '.join(missing)}: in these tables, the"
            " row is the same in both tenants, or the copy does not have it."
        )
    if len(known) > MOST_ROWS:
        raise TakeBackError(
            f"{len(known):,} rows would be taken back, and at most {MOST_ROWS:,} are in one"
            " transaction. Choose tables or keys."
        )
    return {table: ids for table, ids in chosen.items() if ids}


def read_rows(slug: str, chosen: Mapping[str, Collection[UUID]]) -> Rows:
    """Return the stored columns of the rows of a tenant."""
    rows: Rows = {}
    with administered_tenant(slug), working(), transaction():
        for name, ids in chosen.items():
            model = models()[name]
            columns = [each for each in table_of(model).c if each.computed is None]
            statement = select(*columns).where(
                of_current_tenant(model), table_of(model).c.id.in_(list(ids))
            )
            rows[name] = {row["id"]: row for row in fetch_items(statement)}
    return rows


def leave_out_erased(slug: str, rows: Rows, keys: Collection[str]) -> None:
    """Leave out what is about persons whom the tenant has erased.

    Raises `TakeBackError` if a key asks for one of these rows.
    """
    erased = {each.patient_id for each in erasures_since(get_tenant(slug).id, _EVER)}
    for name, chosen in rows.items():
        column = "id" if name == PATIENT_TABLE else "patient_id"
        gone = [key for key, row in chosen.items() if row.get(column) in erased]
        if asked := set(keys) & {str(key) for key in gone}:
            raise TakeBackError(
                f"The row {min(asked)} of {name} is about a person who was erased. Nobody can take"
                " it back."
            )
        for key in gone:
            del chosen[key]


def add_referenced(slug: str, copy_slug: str, rows: Rows) -> None:
    """Add the rows that the tenant lacks and that the rows reference, directly or through others.

    Raises `TakeBackError` if the copy lacks one of them too.
    """
    while missing := _missing(slug, rows):
        found = read_rows(copy_slug, missing)
        for name, ids in missing.items():
            if lost := ids - found[name].keys():
                raise TakeBackError(
                    f"Rows cannot be taken back, because neither tenant has the row {lost.pop()} of"
                    f" {name}, which they reference."
                )
            refuse_table(name)
            rows.setdefault(name, {}).update(found[name])


def references_of(table: Table) -> list[tuple[str, str]]:
    """Return the columns of a table that reference rows by id, each with the table of the rows."""
    return [
        (local.name, element.column.table.name)
        for key in table.foreign_key_constraints
        for local, element in zip(key.columns, key.elements, strict=True)
        if element.column.name == "id"
    ]


def _missing(slug: str, rows: Rows) -> dict[str, set[UUID]]:
    """Return the ids of referenced rows that are neither chosen nor in the tenant, by table."""
    wanted: dict[str, set[UUID]] = {}
    for name, chosen in rows.items():
        for column, referenced in references_of(table_of(models()[name])):
            ids = {row[column] for row in chosen.values() if row[column] is not None}
            wanted.setdefault(referenced, set()).update(ids - rows.get(referenced, {}).keys())
    present = present_ids(slug, wanted)
    return {name: ids - present[name] for name, ids in wanted.items() if ids - present[name]}


def present_ids(slug: str, wanted: Mapping[str, Collection[UUID]]) -> dict[str, set[UUID]]:
    """Return which of these rows a tenant has, by table."""
    found: dict[str, set[UUID]] = {}
    with administered_tenant(slug), working(), transaction():
        for name, ids in wanted.items():
            model = models()[name]
            column = table_of(model).c.id
            statement = select(column).where(of_current_tenant(model), column.in_(list(ids)))
            found[name] = {row["id"] for row in fetch_items(statement)}
    return found
