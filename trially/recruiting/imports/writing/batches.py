"""Write a batch of resources: all at once or, if the database rejects some, all the others."""

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy.exc import DataError, IntegrityError
from uuid_utils.compat import uuid7

from trially.database.session import db
from trially.recruiting.imports.faults import Concern, FaultCode, LineFault
from trially.recruiting.imports.fhir.contained_results import with_contained_results
from trially.recruiting.imports.fhir.meta import read_version
from trially.recruiting.imports.fhir.reading_state import UTC, Reading
from trially.recruiting.imports.fhir.resource_types import RESOURCE_TYPES
from trially.recruiting.imports.fhir.rows import IgnoredResource, ResourceError
from trially.recruiting.imports.fhir.translating import TRANSLATORS, name_resource, translate
from trially.recruiting.imports.fhir.values import is_id
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.model import ImportFault
from trially.recruiting.imports.reading.records import Deletion
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.source_state import SourceState
from trially.recruiting.imports.writing.documents import is_document, write_documents
from trially.recruiting.imports.writing.gone import without_erased_identifiers, without_gone
from trially.recruiting.imports.writing.patient_keys import find_patients
from trially.recruiting.imports.writing.resources import (
    RecordKey,
    TranslatedResource,
    WriteCounts,
    write_facts,
    write_medications,
    write_patients,
)
from trially.recruiting.imports.writing.shown_mrns import choose_mrns
from trially.recruiting.imports.writing.taken_mrns import (
    TakenMrnError,
    check_mrns,
    find_refused,
)
from trially.recruiting.imports.writing.upserting import compose_insert, digest, run_with_rows
from trially.recruiting.imports.writing.withdrawing import (
    Withdrawal,
    withdraw_records,
    withdrawal_of_deletion,
)
from trially.recruiting.patients.model import WithdrawalReason
from trially.recruiting.patients.taken_mrns import defer_mrns
from trially.recruiting.records.model import DateProblem

BATCH_LINES = 1_000
FIRST_BATCH_RESOURCES = 100
"""An import's first batch is small, and an ANALYZE follows. Without statistics of a new tenant,
PostgreSQL reads all its rows for each row that is written."""

BATCH_BYTES = 8 * 2**20
BATCH_SECONDS = 10.0
"""A batch that waits longer for its lines is written, so that the import keeps its slot."""
MRN_TAKEN = "Another patient of this source already has this MRN."
REJECTED = "The database rejected a value of this resource."
_REJECTED_BY = {
    "uq_patient_tenant_id_source_mrn_scope_mrn": (FaultCode.MRN_TAKEN, MRN_TAKEN),
}


_INSERT_FAULTS = compose_insert(ImportFault, LineFault, added=["id", "import_id"])


@dataclass
class Batch:
    """Resources to write together, and the counts of what was read and written."""

    limits: ImportLimits = field(default_factory=ImportLimits)
    source: SourceState = field(default_factory=lambda: SourceState(""))
    zone: ZoneInfo = UTC
    """The time zone of times without a UTC offset."""
    today: dt.date = field(default_factory=lambda: dt.datetime.now(dt.UTC).date())
    resources: dict[RecordKey, TranslatedResource] = field(default_factory=dict)
    """Of several versions of a resource, the newest one; of equal ones, the last."""
    withdrawals: dict[RecordKey, Withdrawal] = field(default_factory=dict)
    is_first: bool = False
    """Whether it is the first batch of an import."""
    seen: dict[RecordKey, bool] | None = None
    """Whether each record is only contained in another one. None if nobody asks what is here."""
    lines: int = 0
    last_ordinal: int = 0
    """`ReadResource.ordinal` of the last line."""
    rows: int = 0
    json_bytes: int = 0
    """Size of all rows as JSON."""
    begun_at: float = field(default_factory=time.monotonic)
    read: Counter[str] = field(default_factory=Counter)
    """Number of translated resources by type."""
    written: WriteCounts = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    entered_in_error: Counter[str] = field(default_factory=Counter)
    faults: list[LineFault] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether the batch is large or old enough to be written."""
        return (
            self.lines >= BATCH_LINES
            or (self.is_first and len(self.resources) >= FIRST_BATCH_RESOURCES)
            or self.rows >= self.limits.most_rows_of_batch
            or self.json_bytes >= BATCH_BYTES
            or time.monotonic() - self.begun_at >= BATCH_SECONDS
        )

    def add(self, line: ReadResource) -> None:
        """Translate and count a resource. The batch keeps its rows only, to stay small."""
        self.lines += 1
        self.last_ordinal = line.ordinal
        if line.resource is None:
            if line.fault is not None:
                self.faults.append(line.fault)
            return
        if isinstance(line.resource, Deletion):
            if line.resource.type not in RESOURCE_TYPES or not is_id(line.resource.id):
                reason = "The entry deletes something that is no record of FHIR."
                self.faults.append(
                    LineFault(line.file, line.number, reason, code=FaultCode.INVALID_REFERENCE)
                )
                return
            self.read[line.resource.type] += 1
            self.withdraw(withdrawal_of_deletion(line.resource, self.source))
            return
        base_url = self.source.foreign_base(line.base_url)
        for resource in with_contained_results(line.resource):
            self._translate(line, resource, line.resource, base_url)

    def _translate(
        self,
        line: ReadResource,
        resource: dict[str, Any],
        whole: dict[str, Any],
        base_url: str,
    ) -> None:
        """Translate a resource of a line. A contained one has the version of the whole."""
        self._note(resource, base_url, is_contained=resource is not whole)
        reading = Reading(self.zone, self.today)
        try:
            translated = translate(resource, reading)
        except ResourceError as error:
            self._record_fault(line, resource, error, Concern.RECORD)
            self._withdraw_former(resource, base_url, WithdrawalReason.INVALID)
            translated = None
        for lost in reading.faults:
            self._record_fault(line, resource, lost, Concern.VALUE)
        if translated is None:
            return
        if isinstance(translated, IgnoredResource):
            self.ignored[translated.type] += 1
            if translated.withdraws is not None:
                self._withdraw_former(resource, base_url, translated.withdraws)
            return
        kind: str = resource["resourceType"]
        rows: Sequence[Any] = translated if isinstance(translated, list) else [translated]
        if len(rows) > self.limits.most_rows_of_resource:
            problem = f"becomes more than {self.limits.most_rows_of_resource:,} rows. Split it"
            too_large = ResourceError(kind, problem, FaultCode.TOO_LARGE)
            self._record_fault(line, resource, too_large, Concern.RECORD)
            return
        json_rows = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)
        self.rows += len(rows)
        self.json_bytes += len(json_rows)
        self.read[kind] += 1
        self.entered_in_error[kind] += rows[0]["entered_in_error"]
        version = read_version(whole)
        for row in rows:
            self.source.complete(row, base_url, version)
        self.put(
            TranslatedResource(
                line.file, line.number, kind, rows, digest(json_rows), len(json_rows)
            )
        )

    def _note(self, resource: dict[str, Any], base_url: str, *, is_contained: bool) -> None:
        """Note that the input has a record, whether or not it can be imported."""
        if self.seen is None:
            return
        kind, resource_id = name_resource(resource)
        if kind in TRANSLATORS and resource_id is not None:
            key = RecordKey(kind, base_url, resource_id)
            self.seen[key] = is_contained and self.seen.get(key, True)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Withdraw a record, unless the batch has a newer version of it."""
        former = self.resources.get(withdrawal.key)
        if former is not None and former.version.is_newer_than(withdrawal.version):
            self.written[withdrawal.key.type, "stale"] += 1
            return
        other = self.withdrawals.get(withdrawal.key)
        if other is None or not other.version.is_newer_than(withdrawal.version):
            self.withdrawals[withdrawal.key] = withdrawal

    def _withdraw_former(
        self, resource: dict[str, Any], base_url: str, reason: WithdrawalReason
    ) -> None:
        """Withdraw the stored version of a resource whose new version is not imported."""
        kind, resource_id = name_resource(resource)
        if kind is not None and resource_id is not None:
            key = RecordKey(kind, base_url, resource_id)
            self.withdraw(Withdrawal(key, reason, read_version(resource)))

    def remove(self, resource: TranslatedResource, fault: LineFault) -> None:
        """Record that a resource, which has been counted as read, was not written."""
        self.faults.append(fault)
        self.read[resource.type] -= 1
        self.entered_in_error[resource.type] -= resource.rows[0]["entered_in_error"]

    def _record_fault(
        self, line: ReadResource, resource: object, error: ResourceError, concerns: Concern
    ) -> None:
        kind, resource_id = name_resource(resource)
        self.faults.append(
            LineFault(
                line.file,
                line.number,
                error.reason,
                error.pointer,
                error.code,
                concerns,
                resource_type=kind,
                resource_id=resource_id,
            )
        )

    def put(self, resource: TranslatedResource) -> None:
        """Add a resource that has already been translated and counted, if it is the newest."""
        key, version = resource.key, resource.version
        others = (self.resources.get(key), self.withdrawals.get(key))
        if any(other is not None and other.version.is_newer_than(version) for other in others):
            self.written[resource.type, "stale"] += 1
            return
        self.withdrawals.pop(key, None)
        self.resources.pop(key, None)
        self.resources[key] = resource


def write_batch(batch: Batch, source: str) -> list[TranslatedResource]:
    """Write a batch, and return the facts whose patient is not stored.

    Records that the batch withdraws are written first, so that they are there as withdrawn ones.
    """
    resources = without_gone(list(batch.resources.values()), batch.source, batch.written)
    choose_mrns(resources, source)
    without_patient = _write(resources, source, batch)
    withdraw_records(batch.withdrawals.values(), source, batch.written)
    without_patient = without_erased_identifiers(without_patient, batch.source, batch.written)
    return [fact for fact in without_patient if fact.key not in batch.withdrawals]


def record_faults(faults: Iterable[LineFault], import_id: UUID) -> None:
    """Store the faults of an import."""
    items = [{"id": uuid7(), "import_id": import_id, **asdict(fault)} for fault in faults]
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
            counts, without_patient, misdated = _write_all(resources, source)
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
    batch.faults += [
        _fault_of_date(each, problem)
        for each in resources
        if (problem := misdated.get(each.key)) is not None
    ]
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
) -> tuple[WriteCounts, list[TranslatedResource], Mapping[RecordKey, DateProblem]]:
    """Write resources. Returns counts, the records without a patient, and the misdated facts."""
    records = [each for each in resources if each.type not in ("Patient", "Medication")]
    patients_read = [each for each in resources if each.type == "Patient"]
    counts = WriteCounts()
    if patients_read:
        defer_mrns()
        counts += write_patients(patients_read, source)
        check_mrns(patients_read, source)
    medications = [each for each in resources if each.type == "Medication"]
    counts += write_medications(medications, source) if medications else WriteCounts()
    patients = find_patients(source, {each.patient_id for each in records}) if records else {}
    placed = [each for each in records if each.patient_id in patients]
    facts = [each for each in placed if not is_document(each)]
    written, misdated = write_facts(facts, source, patients)
    documents = [each for each in placed if is_document(each)]
    written += write_documents(documents, source, patients)
    without_patient = [each for each in records if each.patient_id not in patients]
    return counts + written, without_patient, misdated


def _fault_of_date(fact: TranslatedResource, problem: DateProblem) -> LineFault:
    fault = fault_of(fact, FaultCode.INVALID_ELEMENT, _WORDS_OF_DATES[problem])
    return replace(fault, concerns=Concern.VALUE)


_WORDS_OF_DATES = {
    DateProblem.BEFORE_BIRTH: "The record is dated before the patient's birth, so the dates are"
    " not used.",
    DateProblem.AFTER_DEATH: "The record is dated after the patient's death, so the dates are not"
    " used.",
}


def _record_rejection(
    resource: TranslatedResource, error: IntegrityError | DataError, batch: Batch
) -> None:
    diagnostics = getattr(error.orig, "diag", None)
    constraint = getattr(diagnostics, "constraint_name", None) or ""
    code, reason = _REJECTED_BY.get(constraint, (FaultCode.REJECTED, REJECTED))
    batch.remove(resource, fault_of(resource, code, reason))
