"""When an import that was declared a full export of its source may not withdraw anything."""

from uuid import UUID

from sqlalchemy import ColumnElement, update

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.faults import Concern, LineFault
from trially.recruiting.imports.model import Completeness, ImportJob


def leaves_record_unknown(fault: LineFault) -> bool:
    """Return whether a fault hides which record the input has at its place.

    A record whose type and id are known is not missing, whether or not it can be imported.
    """
    is_named = fault.resource_type is not None and fault.resource_id is not None
    return fault.concerns == Concern.INPUT or (fault.concerns == Concern.RECORD and not is_named)


def overtake_others(source: str, import_id: UUID) -> None:
    """Keep all other imports of a source from withdrawing records: they no longer know of all."""
    job = table_of(ImportJob).c
    _set(
        Completeness.OVERTAKEN,
        job.source == source,
        job.id != import_id,
        job.completeness.in_([Completeness.READING, Completeness.LISTED]),
    )


def give_up(import_id: UUID) -> None:
    """Keep an import from withdrawing records."""
    job = table_of(ImportJob).c
    _set(Completeness.INCOMPLETE, job.id == import_id, job.completeness == Completeness.READING)


def _set(completeness: Completeness, *conditions: ColumnElement[bool]) -> None:
    """Set the completeness of imports. `updated_at` stays: it is the lease of a running import."""
    table = table_of(ImportJob)
    db.session.execute(
        update(table)
        .where(of_current_tenant(ImportJob), *conditions)
        .values(completeness=completeness, updated_at=table.c.updated_at)
    )
