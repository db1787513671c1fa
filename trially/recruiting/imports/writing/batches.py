"""Write a batch of resources: all at once or, if the database rejects some, all the others."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import DataError, IntegrityError
from uuid_utils.compat import uuid7

from trially.database.session import db
from trially.recruiting.imports.fhir.rows import IgnoredResource, ResourceError
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.model import ImportFault
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.writing.documents import is_document, write_documents
from trially.recruiting.imports.writing.resources import (
    TranslatedResource,
    WriteCounts,
    find_patients,
    write_facts,
    write_medications,
    write_patients,
)
from trially.recruiting.imports.writing.upserting import compose_insert, digest, run_with_rows

BATCH_LINES = 1_000
BATCH_BYTES = 8 * 2**20
BATCH_SECONDS = 10.0
"""A batch that waits longer for its lines is written, so that the import keeps its slot."""
NO_PATIENT = "The patient that this record refers to was not imported from this source."
REJECTED = "The database rejected a value of this resource."
_REJECTED_BY = {
    "uq_patient_tenant_id_source_mrn": "Another patient of this source already has this MRN.",
}


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that was not imported, and the reason, which never quotes the line."""

    file: str
    line: int
    reason: str
    pointer: str | None = None
    """The element of the resource, as a JSON pointer (RFC 6901)."""


_INSERT_FAULTS = compose_insert(ImportFault, LineFault, added=["id", "import_id"])


@dataclass
class Batch:
    """Resources to write together, and the counts of what was read and written."""

    limits: ImportLimits = field(default_factory=ImportLimits)
    resources: dict[tuple[str, str], TranslatedResource] = field(default_factory=dict)
    """By type and id. If a batch has several versions of a resource, the last one counts."""
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
            or self.rows >= self.limits.most_rows_of_batch
            or self.json_bytes >= BATCH_BYTES
            or time.monotonic() - self.begun_at >= BATCH_SECONDS
        )

    def add(self, line: ReadResource) -> None:
        """Translate and count a resource. The batch keeps its rows only, to stay small."""
        self.lines += 1
        self.last_ordinal = line.ordinal
        if line.resource is None:
            reason = line.error or "The line holds no resource."
            self.faults.append(LineFault(line.file, line.number, reason))
            return
        try:
            translated = translate(line.resource)
        except ResourceError as error:
            self.faults.append(LineFault(line.file, line.number, error.reason, error.pointer))
            return
        if isinstance(translated, IgnoredResource):
            self.ignored[translated.type] += 1
            return
        kind: str = line.resource["resourceType"]
        rows: Sequence[Any] = translated if isinstance(translated, list) else [translated]
        if len(rows) > self.limits.most_rows_of_resource:
            reason = (
                f"The resource becomes more than {self.limits.most_rows_of_resource:,} rows. Split"
                " it."
            )
            self.faults.append(LineFault(line.file, line.number, reason))
            return
        json_rows = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)
        self.rows += len(rows)
        self.json_bytes += len(json_rows)
        self.read[kind] += 1
        self.entered_in_error[kind] += rows[0]["entered_in_error"]
        self.put(
            TranslatedResource(
                line.file, line.number, kind, rows, digest(json_rows), len(json_rows)
            )
        )

    def put(self, resource: TranslatedResource) -> None:
        """Add a resource that has already been translated and counted."""
        self.resources[resource.type, resource.id] = resource


def write_batch(batch: Batch, source: str) -> list[TranslatedResource]:
    """Write a batch, and return the facts whose patient is not stored."""
    return _write(list(batch.resources.values()), source, batch)


def record_faults(faults: Iterable[LineFault], import_id: UUID) -> None:
    """Store the faults of an import."""
    items = [{"id": uuid7(), "import_id": import_id, **asdict(fault)} for fault in faults]
    if items:
        run_with_rows(_INSERT_FAULTS, items)


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


def _write_all(
    resources: Sequence[TranslatedResource], source: str
) -> tuple[WriteCounts, list[TranslatedResource]]:
    records = [each for each in resources if each.type not in ("Patient", "Medication")]
    counts = write_patients([each for each in resources if each.type == "Patient"], source)
    counts += write_medications([each for each in resources if each.type == "Medication"], source)
    patients = find_patients(source, {each.patient_id for each in records}) if records else {}
    placed = [each for each in records if each.patient_id in patients]
    counts += write_facts([each for each in placed if not is_document(each)], source, patients)
    counts += write_documents([each for each in placed if is_document(each)], source, patients)
    return counts, [each for each in records if each.patient_id not in patients]


def _record_rejection(
    resource: TranslatedResource, error: IntegrityError | DataError, batch: Batch
) -> None:
    diagnostics = getattr(error.orig, "diag", None)
    reason = _REJECTED_BY.get(getattr(diagnostics, "constraint_name", None) or "", REJECTED)
    batch.faults.append(LineFault(resource.file, resource.line, reason))
    batch.read[resource.type] -= 1
    batch.entered_in_error[resource.type] -= resource.rows[0]["entered_in_error"]
