"""Find the patients that facts refer to: by the source's id, or by an identifier.

A fact names its patient by a key: the source's id of the patient or, for a logical or conditional
reference, `?`, the identifier's system, `|` and its value.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import of_current_tenant
from trially.database.session import db
from trially.recruiting.imports.fhir.references import is_identifier_key, split_identifier_key
from trially.recruiting.patients.model import Patient

WAITS_FOR_PATIENT = (
    "The patient that this record refers to is not here. The record waits for an import of this"
    " source that brings the patient."
)
WAITS_FOR_IDENTIFIER = (
    "No patient of this source, or more than one, has the identifier that this record refers to."
    " The record waits for an import of this source that changes this."
)


def find_patients(source: str, keys: Iterable[str]) -> Mapping[str, UUID]:
    """Return the ids of a source's patients by the keys that facts name them with.

    The rows are locked until the transaction ends, so that no other transaction deletes them.
    """
    wanted = set(keys)
    by_identifier = {key for key in wanted if is_identifier_key(key)}
    found = _find_by_ids(source, wanted - by_identifier) if wanted - by_identifier else {}
    return {**found, **(_find_by_identifiers(source, by_identifier) if by_identifier else {})}


def explain_waiting(key: str) -> str:
    """Return why a fact with this patient waits."""
    return WAITS_FOR_IDENTIFIER if is_identifier_key(key) else WAITS_FOR_PATIENT


def describe_patient_key(key: str) -> str:
    """Return how a fault names a patient that is not here: `Patient/17`."""
    return f"Patient?identifier={key[1:]}" if is_identifier_key(key) else f"Patient/{key}"


def _find_by_ids(source: str, source_ids: Iterable[str]) -> dict[str, UUID]:
    statement = (
        select(Patient.source_id, Patient.id)
        .where(
            of_current_tenant(Patient),
            Patient.source == source,
            Patient.source_id.in_(list(source_ids)),
        )
        .with_for_update(read=True, key_share=True)
    )
    return {row.source_id: row.id for row in db.session.execute(statement)}


def _find_by_identifiers(source: str, keys: Iterable[str]) -> dict[str, UUID]:
    """Return the patients with these identifiers. An identifier of two patients finds none.

    A patient's MRN is compared with the value, because only this identifier is stored.
    """
    keys_of: dict[str, list[str]] = {}
    for key in keys:
        keys_of.setdefault(split_identifier_key(key)[1], []).append(key)
    statement = (
        select(Patient.mrn, Patient.id)
        .where(of_current_tenant(Patient), Patient.source == source, Patient.mrn.in_(list(keys_of)))
        .with_for_update(read=True, key_share=True)
    )
    found: dict[str, list[UUID]] = {}
    for row in db.session.execute(statement):
        found.setdefault(row.mrn, []).append(row.id)
    return {key: ids[0] for mrn, ids in found.items() if len(ids) == 1 for key in keys_of[mrn]}
