"""Write the identifiers and names of patients."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Row, delete
from uuid_utils.compat import uuid7

from trially.database.rows import of_current_tenant, table_of
from trially.database.sealed_rows import stored_row
from trially.database.session import db
from trially.recruiting.imports.fhir.rows import IdentifierRow
from trially.recruiting.imports.writing.upserting import compose_insert, run_with_rows
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.search.indexing import write_names

if TYPE_CHECKING:
    from trially.recruiting.imports.writing.resources import TranslatedResource

_INSERT = compose_insert(PatientIdentifier, IdentifierRow, added=["id", "patient_id"])


def write_identifiers(
    patients: Iterable["TranslatedResource"], written: Sequence[Row[Any]]
) -> None:
    """Replace the identifiers of the patients that were written.

    The rows have `is_new`, `id`, `base_url` and `source_id`.
    """
    ids = ids_of(written)
    changed = [row.id for row in written if row.is_new is False]
    table = table_of(PatientIdentifier)
    if changed:
        db.session.execute(
            delete(table).where(
                of_current_tenant(PatientIdentifier), table.c.patient_id.in_(changed)
            )
        )
    rows = [
        stored_row(table, {**identifier, "id": uuid7(), "patient_id": patient_id})
        for patient in patients
        if (patient_id := ids.get((patient.key.base_url, patient.id))) is not None
        for identifier in patient.rows[0]["identifiers"]
    ]
    if rows:
        run_with_rows(_INSERT, rows)


def write_all_names(patients: Iterable["TranslatedResource"], written: Sequence[Row[Any]]) -> None:
    """Replace the names of the patients that were written."""
    ids = ids_of(written)
    names = {
        patient_id: patient.rows[0]["names"]
        for patient in patients
        if (patient_id := ids.get((patient.key.base_url, patient.id))) is not None
    }
    if names:
        write_names(names)


def ids_of(written: Sequence[Row[Any]]) -> Mapping[tuple[str, str], UUID]:
    """Return the ids of the patients that were written, by base URL and id at the source."""
    return {(row.base_url, row.source_id): row.id for row in written if row.is_new is not None}
