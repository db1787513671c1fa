"""Read files as an import would, without changing anything."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from trially.database.session import transaction
from trially.recruiting.imports.faults import FaultCode, LineFault
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import ResourceReader
from trially.recruiting.imports.reading.source_files import SourceFile
from trially.recruiting.imports.source_state import SourceState
from trially.recruiting.imports.writing.batches import Batch, fault_of
from trially.recruiting.imports.writing.patient_keys import (
    describe_patient_key,
    explain_waiting,
    find_patients,
)
from trially.recruiting.imports.writing.resources import TranslatedResource
from trially.tenancy.context import current_tenant

FIRST_ROWS = 5
MOST_FAULTS = 10_000
"""Faults that are listed with their lines. Further ones are counted by reason."""


@dataclass
class DryRun:
    """What an import of some files would read."""

    read: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    first_rows: list[dict[str, Any]] = field(default_factory=list)
    """The first rows as they would be stored, without absent values."""
    faults: list[LineFault] = field(default_factory=list)
    fault_counts: Counter[str] = field(default_factory=Counter)

    @property
    def fault_count(self) -> int:
        """Number of all faults."""
        return self.fault_counts.total()


def read_without_importing(
    source_files: Sequence[SourceFile], reader: ResourceReader, source: str, limits: ImportLimits
) -> DryRun:
    """Return what an import into the current tenant would read, and each of its faults."""
    outcome, meter, zone = DryRun(), InputMeter(limits), ZoneInfo(current_tenant().time_zone)
    patients: set[str] = set()
    state = SourceState(source)
    for file in source_files:
        batch = Batch(limits, state, zone)
        for line in reader(file, meter, 0):
            batch.add(line)
            if batch.is_full:
                _count(batch, outcome, patients, source)
                batch = Batch(limits, state, zone)
        _count(batch, outcome, patients, source)
    return outcome


def _count(batch: Batch, outcome: DryRun, patients: set[str], source: str) -> None:
    outcome.read += batch.read
    outcome.ignored += batch.ignored
    resources = list(batch.resources.values())
    for resource in resources:
        if len(outcome.first_rows) < FIRST_ROWS:
            row = {name: value for name, value in resource.rows[0].items() if value is not None}
            outcome.first_rows.append({"line": resource.line, "resource": resource.type, **row})
    patients |= {each.id for each in resources if each.type == "Patient"}
    faults = batch.faults + _find_without_patient(resources, patients, source)
    outcome.fault_counts.update(fault.reason for fault in faults)
    outcome.faults += faults[: MOST_FAULTS - len(outcome.faults)]


def _find_without_patient(
    resources: Iterable[TranslatedResource], patients: set[str], source: str
) -> list[LineFault]:
    """Return a fault for each fact whose patient is neither stored nor read before."""
    facts = [each for each in resources if each.type not in ("Patient", "Medication")]
    wanted = {fact.patient_id for fact in facts} - patients
    if not wanted:
        return []
    with transaction():
        stored = find_patients(source, wanted)
    return [
        fault_of(
            fact,
            FaultCode.PATIENT_MISSING,
            explain_waiting(fact.patient_id),
            describe_patient_key(fact.patient_id),
        )
        for fact in facts
        if fact.patient_id in wanted and fact.patient_id not in stored
    ]
