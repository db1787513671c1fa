"""Write rows of a restored copy into the tenant, in one transaction with its audit record."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from trially.audit.recording import note
from trially.audit.working import working
from trially.database.model import TenantModel
from trially.database.placement import current_placement
from trially.database.rows import (
    Model,
    fetch_items,
    find_item,
    insert_item,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import db, transaction
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.search.indexing import index_patients
from trially.recruiting.search.model import PatientName
from trially.taking_back.chosen_rows import (
    Row,
    Rows,
    add_referenced,
    choose_ids,
    leave_out_erased,
    models,
    read_rows,
    references_of,
    refuse_table,
)
from trially.taking_back.differences import COUNTERS, TakeBackError, compare_data
from trially.tenancy.context import administered_tenant

OF_PATIENTS: tuple[Model, ...] = (PatientName, PatientIdentifier)
"""What is written with a patient, and so is taken back with the patient."""

PATIENT = "patient"


@dataclass(frozen=True)
class TakenBack:
    """How many rows of a table were taken back, or would be."""

    table: str
    inserted: int
    updated: int


def take_back(
    slug: str,
    copy_slug: str,
    tables: Collection[str],
    keys: Collection[str],
    *,
    only_changed: bool = False,
    is_dry_run: bool = False,
) -> list[TakenBack]:
    """Write rows that were deleted or changed since, as the copy has them, into a tenant.

    All is written or nothing. Rows that they reference and that were deleted are written too. Rows
    that were added since are not touched, and erased persons stay erased. Raises
    `UnknownTenantError` or `TakeBackError`.
    """
    differences = compare_data(slug, copy_slug, tables)
    for name in tables:
        refuse_table(name)
    rows = read_rows(copy_slug, choose_ids(differences, keys, only_changed=only_changed))
    leave_out_erased(slug, rows, keys)
    add_referenced(slug, copy_slug, rows)
    belonging = _read_belonging(copy_slug, list(rows.get(PATIENT, {})))
    try:
        with administered_tenant(slug), working(), transaction():
            taken = [_write(name, rows) for name in _in_order(rows)]
            _write_belonging(belonging, list(rows.get(PATIENT, {})))
            index_patients(rows.get(PATIENT, {}))
            note(
                taken_back_from=copy_slug, rows=sum(each.inserted + each.updated for each in taken)
            )
            _end(is_dry_run=is_dry_run)
    except _DryRunError:
        return taken
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        raise TakeBackError(
            "Nothing was taken back: a row contradicts one that was written since"
            f" ({constraint}). Choose other rows with --key, or change the present row first."
        ) from None
    return taken


class _DryRunError(Exception):
    """Ends the transaction of a dry run, so that nothing is written."""


def _end(*, is_dry_run: bool) -> None:
    if is_dry_run:
        raise _DryRunError


def _in_order(rows: Rows) -> list[str]:
    """Return the tables, each behind those that it references."""
    ordered = [table.name for table in TenantModel.metadata.sorted_tables]
    return sorted(rows, key=ordered.index)


def _write(name: str, rows: Rows) -> TakenBack:
    model, inserted, updated = models()[name], 0, 0
    for row in _parents_first(name, rows[name]):
        values = {
            column: value
            for column, value in row.items()
            if column not in COUNTERS and column != "tenant_id"
        }
        if find_item(model, row["id"], ("id",)) is None:
            insert_item(model, values, ("id",))
            inserted += 1
        else:
            del values["id"]
            update_item(model, row["id"], values, ("id",))
            updated += 1
    return TakenBack(name, inserted, updated)


def _parents_first(name: str, rows: Mapping[UUID, Row]) -> Iterator[Row]:
    """Yield rows, each behind those of the same table that it references."""
    columns = [column for column, other in references_of(table_of(models()[name])) if other == name]
    waiting, written = dict(rows), set[UUID]()
    while waiting:
        ready = [
            row
            for row in waiting.values()
            if all(row[column] not in waiting or row[column] == row["id"] for column in columns)
        ] or list(waiting.values())
        for row in ready:
            written.add(row["id"])
            yield waiting.pop(row["id"])


def _read_belonging(copy_slug: str, patient_ids: list[UUID]) -> list[tuple[Model, list[Any]]]:
    """Return what the copy has of these patients in the tables that are written with them."""
    found: list[tuple[Model, list[Any]]] = []
    with administered_tenant(copy_slug), working(), transaction():
        for model in OF_PATIENTS if patient_ids else ():
            columns = table_of(model).c
            statement = select(*columns).where(
                of_current_tenant(model), columns.patient_id.in_(patient_ids)
            )
            found.append((model, fetch_items(statement)))
    return found


def _write_belonging(belonging: list[tuple[Model, list[Any]]], patient_ids: list[UUID]) -> None:
    """Replace what is written with these patients."""
    tenant_id = current_placement().tenant_id
    for model, rows in belonging:
        table = table_of(model)
        db.session.execute(
            delete(table).where(of_current_tenant(model), table.c.patient_id.in_(patient_ids))
        )
        if rows:
            db.session.execute(insert(table), [{**row, "tenant_id": tenant_id} for row in rows])
