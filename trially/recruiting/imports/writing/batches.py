"""Take in a batch of lines: all of it at once, or, where the database refuses, all but the bad."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import DataError, IntegrityError
from uuid_utils.compat import uuid7

from trially.database.session import db
from trially.recruiting.imports.fhir.translating import PassedOver, ResourceError, translate
from trially.recruiting.imports.model import ImportFault
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.writing.resources import (
    Resource,
    Written,
    find_patients,
    write_facts,
    write_medications,
    write_patients,
)
from trially.recruiting.imports.writing.upserting import compose_insert, digest, run_with_rows

BATCH_LINES = 1_000
BATCH_BYTES = 8 * 2**20
NO_PATIENT = "The patient it is about is not there."
REFUSED = "The database cannot hold a value in it."

_INSERT_FAULTS = compose_insert(ImportFault)
_REASONS = {
    "uq_patient_tenant_id_source_mrn": "Another patient of this source has this MRN.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that could not be taken in, and why; never its content."""

    file: str
    line: int
    reason: str
    pointer: str | None = None


@dataclass
class Batch:
    """Lines, translated as they come, and what they came to."""

    resources: dict[tuple[str, str], Resource] = field(default_factory=dict)
    """By type and id; of those about the same resource, the last."""
    lines: int = 0
    ordinal: int = 0
    """Of the last line."""
    size: int = 0
    """Bytes that the rows take as JSON."""
    read: Counter[str] = field(default_factory=Counter)
    """Resources of each type that could be translated."""
    written: Written = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    entered_in_error: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether it is time to write it."""
        return self.lines >= BATCH_LINES or self.size >= BATCH_BYTES

    def add(self, line: ReadResource) -> None:
        """Translate a line. What was read is let go, so a batch of large lines stays small."""
        self.lines += 1
        self.ordinal = line.ordinal
        if line.resource is None:
            reason = line.error or "There is no resource here."
            self.faults.append(Fault(line.file, line.number, reason))
            return
        try:
            translated = translate(line.resource)
        except ResourceError as error:
            self.faults.append(Fault(line.file, line.number, error.reason, error.pointer))
            return
        if isinstance(translated, PassedOver):
            self.passed_over[translated.type] += 1
            return
        kind: str = line.resource["resourceType"]
        rows: Sequence[Any] = translated if isinstance(translated, list) else [translated]
        written = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)
        self.size += len(written)
        self.read[kind] += 1
        self.entered_in_error[kind] += rows[0]["entered_in_error"]
        self.put(Resource(line.file, line.number, kind, rows, digest(written)))

    def put(self, resource: Resource) -> None:
        """Add a resource that was translated and counted before."""
        self.resources[resource.type, resource.id] = resource


def write_batch(batch: Batch, source: str) -> list[Resource]:
    """Write a batch, and return the facts whose patient is not there."""
    return _write(list(batch.resources.values()), source, batch)


def record_faults(faults: Iterable[Fault], import_id: UUID) -> None:
    """Write what is wrong with lines."""
    items = [{"id": uuid7(), "import_id": import_id, **asdict(fault)} for fault in faults]
    if items:
        run_with_rows(_INSERT_FAULTS, items)


def _write(resources: Sequence[Resource], source: str, batch: Batch) -> list[Resource]:
    """Write resources and return the facts whose patient is not there.

    If the database refuses, write each half by itself, and so on down to the line at fault.
    """
    if not resources:
        return []
    try:
        with db.session.begin_nested():
            written, waiting = _write_whole(resources, source)
    except (IntegrityError, DataError) as error:
        if len(resources) == 1:
            _refuse(resources[0], error, batch)
            return []
        # Patients first, so that the facts of one half find those of the other.
        ordered = sorted(resources, key=lambda resource: resource.type != "Patient")
        middle = len(ordered) // 2
        return [
            resource
            for half in (ordered[:middle], ordered[middle:])
            for resource in _write(half, source, batch)
        ]
    batch.written += written
    return waiting


def _write_whole(resources: Sequence[Resource], source: str) -> tuple[Written, list[Resource]]:
    facts = [each for each in resources if each.type not in ("Patient", "Medication")]
    written = write_patients([each for each in resources if each.type == "Patient"], source)
    written += write_medications([each for each in resources if each.type == "Medication"], source)
    patients = find_patients(source, {fact.patient_id for fact in facts}) if facts else {}
    written += write_facts(
        [fact for fact in facts if fact.patient_id in patients], source, patients
    )
    return written, [fact for fact in facts if fact.patient_id not in patients]


def _refuse(resource: Resource, error: IntegrityError | DataError, batch: Batch) -> None:
    diagnostics = getattr(error.orig, "diag", None)
    reason = _REASONS.get(getattr(diagnostics, "constraint_name", None) or "", REFUSED)
    batch.faults.append(Fault(resource.file, resource.line, reason))
    batch.read[resource.type] -= 1
    batch.entered_in_error[resource.type] -= resource.rows[0]["entered_in_error"]
