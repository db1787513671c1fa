"""Collect and translate the resources that are written together."""

import datetime as dt
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from trially.recruiting.imports.faults import Concern, FaultCode, LineFault
from trially.recruiting.imports.fhir.contained_results import with_contained_results
from trially.recruiting.imports.fhir.meta import read_version
from trially.recruiting.imports.fhir.reading_state import UTC, Reading
from trially.recruiting.imports.fhir.resource_types import RESOURCE_TYPES
from trially.recruiting.imports.fhir.rows import IgnoredResource, ResourceError
from trially.recruiting.imports.fhir.translating import TRANSLATORS, name_resource, translate
from trially.recruiting.imports.fhir.values import is_id
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.reading.records import Deletion
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.source_state import SourceState
from trially.recruiting.imports.writing.fact_texts import begin_facts, join_texts, write_row
from trially.recruiting.imports.writing.resources import RecordKey, TranslatedResource, WriteCounts
from trially.recruiting.imports.writing.upserting import digest
from trially.recruiting.imports.writing.withdrawing import Withdrawal, withdrawal_of_deletion
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.records.choices import SOURCE_TYPES

BATCH_LINES = 2_000
FIRST_BATCH_RESOURCES = 100
"""An import's first batch is small, and an ANALYZE follows. Without statistics of a new tenant,
PostgreSQL reads all its rows for each row that is written."""

BATCH_BYTES = 8 * 2**20
BATCH_SECONDS = 10.0
"""A batch that waits longer for its lines is written, so that the import keeps its slot."""


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

    @property
    def first_place(self) -> tuple[str, int]:
        """The file and the line of the first record to write."""
        return min(((each.file, each.line) for each in self.resources.values()), default=("", 0))

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
        if self.seen is not None:
            self._note(resource, base_url, self.seen, is_contained=resource is not whole)
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
        if line.custom and kind == "Patient":
            rows[0]["custom_values"] = dict(line.custom)
        texts = [write_row(row) for row in rows]
        json_rows = join_texts(texts)
        self.rows += len(rows)
        self.json_bytes += len(json_rows)
        self.read[kind] += 1
        self.entered_in_error[kind] += rows[0]["entered_in_error"]
        version = read_version(whole)
        for row in rows:
            self.source.complete(row, base_url, version)
        content_hash = digest(json_rows)
        begun = begin_facts(texts, content_hash, base_url, version) if kind in SOURCE_TYPES else ()
        self.put(
            TranslatedResource(
                line.file, line.number, kind, rows, content_hash, len(json_rows), begun
            )
        )

    @staticmethod
    def _note(
        resource: dict[str, Any],
        base_url: str,
        seen: dict[RecordKey, bool],
        *,
        is_contained: bool,
    ) -> None:
        """Note that the input has a record, whether or not it can be imported."""
        kind, resource_id = name_resource(resource)
        if kind in TRANSLATORS and resource_id is not None:
            key = RecordKey(kind, base_url, resource_id)
            seen[key] = is_contained and seen.get(key, True)

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
        key = resource.key
        for others in (self.resources, self.withdrawals):
            other = others.get(key)
            if other is not None and other.version.is_newer_than(resource.version):
                self.written[resource.type, "stale"] += 1
                return
        self.withdrawals.pop(key, None)
        self.resources.pop(key, None)
        self.resources[key] = resource
