"""Settle patients: seal, open or reseal all that is stored about them, while requests write.

While a tenant's fields change, some patients are in another form than writers use. SQL would not
find them by their numbers. So code that is about to look for numbers, or to change a patient,
settles the patients first: then all values that are compared have one form.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import text

from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.rows import table_of
from trially.database.sealing import field_state, forms_of_text
from trially.database.session import db
from trially.database.settling import settle_rows
from trially.http.problems import Conflict
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.patients.model import RECORD_NUMBERS, Patient
from trially.recruiting.search.indexing import index_patients
from trially.recruiting.search.model import PatientName

_HAVING = """
SELECT id FROM patient
WHERE tenant_id = CAST(:tenant_id AS uuid) AND mrn = ANY(CAST(:numbers AS text[]))
UNION
SELECT patient_id FROM patient_identifier
WHERE tenant_id = CAST(:tenant_id AS uuid) AND value = ANY(CAST(:numbers AS text[]))
"""
_OF_SOURCE = """
SELECT id FROM patient
WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source
AND source_id = ANY(CAST(:numbers AS text[]))
"""


def settle_patients(patient_ids: Collection[UUID]) -> int:
    """Settle patients, with their names, identifiers and search terms. Return how many changed."""
    if not patient_ids:
        return 0
    changed = set(settle_rows(table_of(Patient), patient_ids))
    for model in (PatientName, PatientIdentifier):
        settle_rows(table_of(model), patient_ids, "patient_id")
        note_derived(table_of(model).name)
    if changed:
        index_patients(changed)
    return len(changed)


def settle_before_change(patient_id: UUID) -> None:
    """Settle a patient who is about to be changed, if the tenant's fields change."""
    if field_state().is_changing:
        settle_patients([patient_id])


def settle_found_by(numbers: Iterable[str]) -> None:
    """Settle the patients who have one of these MRNs or identifiers in the former form."""
    if not field_state().is_changing:
        return
    former = [form for number in numbers for form in forms_of_text(RECORD_NUMBERS, number)[1:]]
    if former:
        settle_patients(_ids(_HAVING, numbers=former))


def settle_of_source(source: str, source_ids: Iterable[str]) -> None:
    """Settle the patients of a source with these ids, if the tenant's fields change."""
    if field_state().is_changing:
        settle_patients(_ids(_OF_SOURCE, source=source, numbers=list(source_ids)))


def refuse_while_fields_change() -> None:
    """Answer 409 if the tenant's fields change, for work that compares all patients of a source."""
    if field_state().is_changing:
        raise Conflict(
            "The fields of this tenant are being encrypted or decrypted. Repeat the request when"
            " that has ended."
        )


def _ids(statement: str, **parameters: object) -> list[UUID]:
    found = db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": str(current_placement().tenant_id)}
    )
    return list(found.scalars())
