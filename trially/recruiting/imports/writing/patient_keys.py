"""Find the patients that facts refer to: by the source's id, or by an identifier.

A fact names its patient by a key: the source's id of the patient or, for a logical or conditional
reference, `?`, the identifier's system, `|` and its value.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, select

from trially.database.rows import of_current_tenant
from trially.database.session import db
from trially.recruiting.imports.fhir.references import is_identifier_key, split_identifier_key
from trially.recruiting.patients.merging import current_records
from trially.recruiting.patients.model import Patient, PatientIdentifier, RecordStatus
from trially.recruiting.sources.server_urls import split_patient_url

USED = frozenset({RecordStatus.CURRENT.value, RecordStatus.INACTIVE.value})

WAITS_FOR_PATIENT = (
    "The patient that this record refers to is not here. The record waits for an import of this"
    " source that brings the patient."
)
WAITS_FOR_IDENTIFIER = (
    "No patient of this source, or more than one, has the identifier that this record refers to."
    " The record waits for an import of this source that changes this."
)


class FoundPatient(NamedTuple):
    """A patient that facts refer to."""

    current_id: UUID
    """The record that is used: it is another one if the named record was replaced."""

    replaced_id: UUID | None = None
    """The named record, if it was replaced."""


def find_patients(source: str, keys: Iterable[str]) -> Mapping[str, FoundPatient]:
    """Return a source's patients by the keys that facts name them with.

    The rows are locked until the transaction ends, so that no other transaction deletes them.
    """
    wanted = set(keys)
    by_identifier = {key for key in wanted if is_identifier_key(key)}
    found = _find_by_ids(source, wanted - by_identifier) if wanted - by_identifier else {}
    if by_identifier:
        found |= _find_by_identifiers(source, by_identifier)
    replaced = {patient_id for patient_id, by in found.values() if by is not None}
    current = current_records(replaced) if replaced else {}
    return {
        key: FoundPatient(current[patient_id], patient_id)
        if patient_id in current
        else FoundPatient(patient_id)
        for key, (patient_id, _) in found.items()
    }


def explain_waiting(key: str) -> str:
    """Return why a fact with this patient waits."""
    return WAITS_FOR_IDENTIFIER if is_identifier_key(key) else WAITS_FOR_PATIENT


def describe_patient_key(key: str) -> str:
    """Return how a fault names a patient that is not here: `Patient/17`."""
    if is_identifier_key(key):
        return f"Patient?identifier={key[1:]}"
    return key if "/Patient/" in key else f"Patient/{key}"


def _find_by_ids(source: str, keys: Iterable[str]) -> dict[str, tuple[UUID, UUID | None]]:
    """Return by key the id of each patient, and of the record that replaces it."""
    wanted = {split_patient_url(key): key for key in keys}
    statement = (
        select(Patient.base_url, Patient.source_id, Patient.id, Patient.replaced_by_id)
        .where(
            of_current_tenant(Patient),
            Patient.source == source,
            Patient.source_id.in_([source_id for _, source_id in wanted]),
        )
        .with_for_update(read=True, key_share=True)
    )
    return {
        key: (row.id, row.replaced_by_id)
        for row in db.session.execute(statement)
        if (key := wanted.get((row.base_url, row.source_id))) is not None
    }


def _find_by_identifiers(source: str, keys: Iterable[str]) -> dict[str, tuple[UUID, UUID | None]]:
    """Return the patients with these identifiers. An identifier of two patients finds none.

    Records that are replaced or withdrawn do not count, if a current one has the identifier too.
    """
    wanted = [(key, *split_identifier_key(key)) for key in keys]
    values = {value for _, _, value in wanted}
    statement = (
        select(
            PatientIdentifier.system,
            PatientIdentifier.value,
            Patient.id,
            Patient.replaced_by_id,
            Patient.record_status,
        )
        .join(
            PatientIdentifier,
            and_(
                PatientIdentifier.tenant_id == Patient.tenant_id,
                PatientIdentifier.patient_id == Patient.id,
            ),
        )
        .where(
            of_current_tenant(Patient),
            of_current_tenant(PatientIdentifier),
            Patient.source == source,
            PatientIdentifier.value.in_(values),
        )
        .with_for_update(read=True, key_share=True, of=Patient)
    )
    rows = db.session.execute(statement).all()
    found: dict[str, tuple[UUID, UUID | None]] = {}
    for key, system, value in wanted:
        matching = [row for row in rows if row.value == value and system in ("", row.system)]
        current = [row for row in matching if row.record_status in USED] or matching
        people = {row.id: row.replaced_by_id for row in current}
        if len(people) == 1:
            [found[key]] = people.items()
    return found
