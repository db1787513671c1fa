"""Find the patients that facts refer to: by the source's id, or by an identifier.

A fact names its patient by a key: the source's id of the patient or, for a logical or conditional
reference, `?`, the identifier's system, `|` and its value.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, select

from trially.database.rows import of_current_tenant
from trially.database.session import db
from trially.recruiting.imports.fhir.references import is_identifier_key, split_identifier_key
from trially.recruiting.patients.choices import RecordStatus
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.patients.lifetimes import DAYS_AFTER_DEATH
from trially.recruiting.patients.model import Patient
from trially.recruiting.search.current_records import current_records
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

    born_on: str = ""
    died_on: str = "9999-12-31Z"
    """The first and the last day of records. Of a replaced patient, no day is between them."""

    def is_outside_life(self, row: Mapping[str, Any]) -> bool:
        """Return whether a fact or a document may be dated before the birth or after the death."""
        at = row.get("start_at") or row.get("end_at") or row.get("recorded_at") or row.get("at")
        return at is not None and not self.born_on <= at <= self.died_on


def find_patients(source: str, keys: Iterable[str]) -> Mapping[str, FoundPatient]:
    """Return a source's patients by the keys that facts name them with.

    The rows are locked until the transaction ends, so that no other transaction deletes them.
    """
    wanted = set(keys)
    by_identifier = {key for key in wanted if is_identifier_key(key)}
    found = _find_by_ids(source, wanted - by_identifier) if wanted - by_identifier else {}
    if by_identifier:
        found |= _find_by_identifiers(source, by_identifier)
    replaced = {row.id for row in found.values() if row.replaced_by_id is not None}
    current = current_records(replaced) if replaced else {}
    return {
        key: FoundPatient(current[row.id], row.id, _NEVER, "")
        if row.id in current
        else FoundPatient(row.id, None, *_lifetime_of(row))
        for key, row in found.items()
    }


def explain_waiting(key: str) -> str:
    """Return why a fact with this patient waits."""
    return WAITS_FOR_IDENTIFIER if is_identifier_key(key) else WAITS_FOR_PATIENT


def describe_patient_key(key: str) -> str:
    """Return how a fault names a patient that is not here: `Patient/17`."""
    if is_identifier_key(key):
        return f"Patient?identifier={key[1:]}"
    return key if "/Patient/" in key else f"Patient/{key}"


def _lifetime_of(row: Row[Any]) -> tuple[str, str]:
    """Return the first and the last day of a patient's records, to compare with instants."""
    last = row.deceased_on and row.deceased_on + dt.timedelta(days=DAYS_AFTER_DEATH)
    return str(row.birth_date or ""), f"{last or _NEVER}Z"


_NEVER = "9999-12-31"
_COLUMNS = (Patient.id, Patient.replaced_by_id, Patient.birth_date, Patient.deceased_on)


def _find_by_ids(source: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the row of each patient by key."""
    wanted = {split_patient_url(key): key for key in keys}
    statement = (
        select(Patient.base_url, Patient.source_id, *_COLUMNS)
        .where(
            of_current_tenant(Patient),
            Patient.source == source,
            Patient.source_id.in_([source_id for _, source_id in wanted]),
        )
        .with_for_update(read=True, key_share=True)
    )
    return {
        key: row
        for row in db.session.execute(statement)
        if (key := wanted.get((row.base_url, row.source_id))) is not None
    }


def _find_by_identifiers(source: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the patients with these identifiers. An identifier of two patients finds none.

    Records that are replaced or withdrawn do not count, if a current one has the identifier too.
    """
    wanted = [(key, *split_identifier_key(key)) for key in keys]
    values = {value for _, _, value in wanted}
    statement = (
        select(
            PatientIdentifier.system,
            PatientIdentifier.value,
            Patient.record_status,
            *_COLUMNS,
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
    found: dict[str, Any] = {}
    for key, system, value in wanted:
        matching = [row for row in rows if row.value == value and system in ("", row.system)]
        current = [row for row in matching if row.record_status in USED] or matching
        people = {row.id: row for row in current}
        if len(people) == 1:
            [found[key]] = people.values()
    return found
