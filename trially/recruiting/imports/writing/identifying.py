"""Write the identifiers of patients."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete
from uuid_utils.compat import uuid7

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.fhir.rows import IdentifierRow
from trially.recruiting.imports.writing.upserting import compose_insert, run_with_rows
from trially.recruiting.patients.model import PatientIdentifier

if TYPE_CHECKING:
    from trially.recruiting.imports.writing.resources import TranslatedResource

_INSERT = compose_insert(PatientIdentifier, IdentifierRow, added=["id", "patient_id"])


def write_identifiers(
    patients: Iterable["TranslatedResource"], written: Sequence[Row[Any]]
) -> None:
    """Replace the identifiers of the patients that were written.

    The rows have `is_new`, `id`, `base_url` and `source_id`.
    """
    ids = {(row.base_url, row.source_id): row.id for row in written if row.is_new is not None}
    changed = [row.id for row in written if row.is_new is False]
    if changed:
        table = table_of(PatientIdentifier)
        db.session.execute(
            delete(table).where(
                of_current_tenant(PatientIdentifier), table.c.patient_id.in_(changed)
            )
        )
    rows = [
        {**identifier, "id": uuid7(), "patient_id": patient_id}
        for patient in patients
        if (patient_id := ids.get((patient.key.base_url, patient.id))) is not None
        for identifier in patient.rows[0]["identifiers"]
    ]
    if rows:
        run_with_rows(_INSERT, rows)
