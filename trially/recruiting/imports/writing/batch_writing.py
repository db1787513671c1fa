"""Write a batch of resources: all at once or, if the database rejects some, all the others."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from uuid import UUID

from sqlalchemy.exc import DataError, IntegrityError
from uuid_utils.compat import uuid7

from trially.database.rows import table_of
from trially.database.sealed_rows import stored_row
from trially.database.sealing import field_state
from trially.database.session import db
from trially.recruiting.imports.faults import FaultCode, LineFault
from trially.recruiting.imports.faults.model import ImportFault
from trially.recruiting.imports.fhir.references import is_identifier_key, split_identifier_key
from trially.recruiting.imports.writing.batches import Batch
from trially.recruiting.imports.writing.documents import is_document, write_documents
from trially.recruiting.imports.writing.gone import without_erased_identifiers, without_gone
from trially.recruiting.imports.writing.patient_keys import find_patients
from trially.recruiting.imports.writing.resources import (
    PlacedRecord,
    TranslatedResource,
    WriteCounts,
    write_facts,
    write_medications,
    write_patients,
)
from trially.recruiting.imports.writing.shown_mrns import choose_mrns
from trially.recruiting.imports.writing.taken_mrns import TakenMrnError, check_mrns, find_refused
from trially.recruiting.imports.writing.upserting import compose_insert, run_with_rows
from trially.recruiting.imports.writing.withdrawing import withdraw_records
from trially.recruiting.patients.settling import settle_found_by, settle_of_source
from trially.recruiting.patients.taken_mrns import defer_mrns

MRN_TAKEN = "Another patient of this source already has this MRN."
REJECTED = "The database rejected a value of this resource."
_REJECTED_BY = {
    "uq_patient_tenant_id_source_mrn_scope_mrn": (FaultCode.MRN_TAKEN, MRN_TAKEN),
}


_INSERT_FAULTS = compose_insert(ImportFault, LineFault, added=["id", "import_id"])


def write_batch(batch: Batch, source: str) -> list[TranslatedResource]:
    """Write a batch, and return the facts whose patient is not stored.

    Records that the batch withdraws are written first, so that they are there as withdrawn ones.
    """
    resources = without_gone(list(batch.resources.values()), batch.source, batch.written)
    choose_mrns(resources, source)
    _settle(resources, source)
    without_patient = _write(resources, source, batch)
    withdraw_records(batch.withdrawals.values(), source, batch.written)
    without_patient = without_erased_identifiers(without_patient, batch.source, batch.written)
    return [fact for fact in without_patient if fact.key not in batch.withdrawals]


def _settle(resources: Sequence[TranslatedResource], source: str) -> None:
    """Settle the patients that a batch compares with, while the tenant's fields change."""
    if not field_state().is_changing:
        return
    rows = [each.rows[0] for each in resources if each.type == "Patient"]
    keys = [row["source_id"] for row in rows]
    numbers = [row["mrn"] for row in rows]
    numbers += [number["value"] for row in rows for number in row["identifiers"]]
    for each in resources:
        key = each.rows[0].get("patient_source_id")
        if key is not None and is_identifier_key(key):
            numbers.append(split_identifier_key(key)[1])
    settle_of_source(source, keys)
    settle_found_by(numbers)


def record_faults(faults: Iterable[LineFault], import_id: UUID) -> None:
    """Store the faults of an import."""
    table = table_of(ImportFault)
    items = [
        stored_row(table, {"id": uuid7(), "import_id": import_id, **asdict(fault)})
        for fault in faults
    ]
    if items:
        run_with_rows(_INSERT_FAULTS, items)


def fault_of(
    resource: TranslatedResource, code: FaultCode, reason: str, missing_id: str | None = None
) -> LineFault:
    """Return the fault of a translated resource."""
    return LineFault(
        resource.file,
        resource.line,
        reason,
        code=code,
        resource_type=resource.type,
        resource_id=resource.id,
        missing_id=missing_id,
    )


def _write(
    resources: Sequence[TranslatedResource], source: str, batch: Batch
) -> list[TranslatedResource]:
    """Write resources, and return the facts whose patient is not stored.

    If the database rejects them, write each half on its own, down to the rejected resource.
    """
    if not resources:
        return []
    try:
        with db.session.begin_nested():
            counts, without_patient = _write_all(resources, source)
    except TakenMrnError as error:
        return _write(_without_refused(resources, source, batch, error), source, batch)
    except (IntegrityError, DataError) as error:
        if len(resources) == 1:
            _record_rejection(resources[0], error, batch)
            return []
        # Patients go first, because facts of one half may refer to patients of the other.
        ordered = sorted(resources, key=lambda resource: resource.type != "Patient")
        middle = len(ordered) // 2
        return [
            resource
            for half in (ordered[:middle], ordered[middle:])
            for resource in _write(half, source, batch)
        ]
    batch.written += counts
    return without_patient


def _without_refused(
    resources: Sequence[TranslatedResource], source: str, batch: Batch, error: TakenMrnError
) -> Sequence[TranslatedResource]:
    """Return the resources without the patients whose MRN is taken, which become faults."""
    patients = [each for each in resources if each.type == "Patient"]
    refused = find_refused(patients, source, error)
    for patient in patients:
        other = refused.get(patient.key)
        if other is not None:
            fault = fault_of(patient, FaultCode.MRN_TAKEN, MRN_TAKEN)
            base = f"{other.base_url}/" if other.base_url else ""
            batch.remove(patient, replace(fault, other_id=f"{base}Patient/{other.id}"))
    return [each for each in resources if each.type != "Patient" or each.key not in refused]


def _write_all(
    resources: Sequence[TranslatedResource], source: str
) -> tuple[WriteCounts, list[TranslatedResource]]:
    """Write resources. Returns the counts, and the records without a patient."""
    patients_read: list[TranslatedResource] = []
    medications: list[TranslatedResource] = []
    records: list[TranslatedResource] = []
    kinds = {"Patient": patients_read, "Medication": medications}
    for each in resources:
        kinds.get(each.type, records).append(each)
    counts = WriteCounts()
    if patients_read:
        defer_mrns()
        counts += write_patients(patients_read, source)
        check_mrns(patients_read, source)
    if medications:
        counts += write_medications(medications, source)
    facts, documents, without_patient = _place(records, source)
    counts += write_facts(facts, source)
    counts += write_documents(documents, source)
    return counts, without_patient


def _place(
    records: Sequence[TranslatedResource], source: str
) -> tuple[list[PlacedRecord], list[PlacedRecord], list[TranslatedResource]]:
    """Find the patients of records. Returns the facts, the documents, and those without one."""
    keys = [each.patient_id for each in records]
    patients = find_patients(source, keys) if keys else {}
    facts: list[PlacedRecord] = []
    documents: list[PlacedRecord] = []
    without_patient: list[TranslatedResource] = []
    for record, key in zip(records, keys, strict=True):
        patient = patients.get(key)
        if patient is None:
            without_patient.append(record)
        else:
            (documents if is_document(record) else facts).append((record, patient))
    return facts, documents, without_patient


def _record_rejection(
    resource: TranslatedResource, error: IntegrityError | DataError, batch: Batch
) -> None:
    diagnostics = getattr(error.orig, "diag", None)
    constraint = getattr(diagnostics, "constraint_name", None) or ""
    code, reason = _REJECTED_BY.get(constraint, (FaultCode.REJECTED, REJECTED))
    batch.remove(resource, fault_of(resource, code, reason))
