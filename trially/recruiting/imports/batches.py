"""Take in a batch of lines: all of it at once, or, where the database refuses, all but the bad."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DataError, IntegrityError
from uuid_utils.compat import uuid7

from trially.database.session import db
from trially.recruiting.imports.model import ImportDeferral, ImportFault
from trially.recruiting.imports.reading import Line
from trially.recruiting.imports.rows import FactRow, MedicationRow, PatientRow
from trially.recruiting.imports.translating import PassedOver, ResourceError, translate
from trially.recruiting.imports.upserting import compose_insert, run_with_rows
from trially.recruiting.imports.writing import (
    Written,
    find_patients,
    write_facts,
    write_medications,
    write_patients,
)

_INSERT_FAULTS = compose_insert(ImportFault)
_INSERT_DEFERRALS = compose_insert(ImportDeferral)
_REASONS = {
    "uq_patient_tenant_id_source_mrn": "Another patient of this source has this MRN.",
}
NO_PATIENT = "The patient it is about is not there."
REFUSED = "The database cannot hold a value in it."


@dataclass
class Tally:
    """What some lines came to."""

    read: Counter[str] = field(default_factory=Counter)
    """Resources of each type that could be translated."""
    written: Written = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    entered_in_error: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class _Batch:
    patients: dict[str, tuple[Line, PatientRow]] = field(default_factory=dict)
    medications: dict[str, tuple[Line, MedicationRow]] = field(default_factory=dict)
    facts: dict[tuple[str, str], tuple[Line, list[FactRow]]] = field(default_factory=dict)

    def lines(self) -> list[Line]:
        """Return the lines it is made of; of those about the same resource, the last."""
        groups = (self.patients, self.medications, self.facts)
        return [line for group in groups for line, _ in group.values()]  # type: ignore[attr-defined]


def take_in(lines: Sequence[Line], import_id: UUID, source: str, *, is_last_chance: bool) -> Tally:
    """Write what `lines` hold, and what is wrong with them.

    A resource whose patient is not there yet is put aside, or is a fault on its last chance.
    """
    tally, batch = _sort(lines)
    waiting = _write(batch, source, tally)
    if is_last_chance:
        tally.faults += [fault(line, NO_PATIENT) for line in waiting]
    elif waiting:
        run_with_rows(_INSERT_DEFERRALS, [_deferral(line, import_id) for line in waiting])
    if tally.faults:
        run_with_rows(
            _INSERT_FAULTS,
            [{"id": uuid7(), "import_id": import_id, **found} for found in tally.faults],
        )
    return tally


def fault(line: Line, reason: str, pointer: str | None = None) -> dict[str, Any]:
    """Describe what is wrong with a line."""
    return {"file": line.file, "line": line.number, "reason": reason, "pointer": pointer}


def _sort(lines: Sequence[Line]) -> tuple[Tally, _Batch]:
    tally, batch = Tally(), _Batch()
    for line in lines:
        if line.resource is None:
            tally.faults.append(fault(line, line.error or "There is no resource here."))
            continue
        try:
            translated = translate(line.resource)
        except ResourceError as error:
            tally.faults.append(fault(line, error.reason, error.pointer))
            continue
        if isinstance(translated, PassedOver):
            tally.passed_over[translated.type] += 1
            continue
        tally.read[line.resource["resourceType"]] += 1
        if isinstance(translated, list):
            first = translated[0]
            if first["entered_in_error"]:
                tally.entered_in_error[first["source_type"]] += 1
            batch.facts[first["source_type"], first["source_id"]] = line, translated
        elif line.resource["resourceType"] == "Patient":
            batch.patients[translated["source_id"]] = line, translated  # type: ignore[assignment]
        else:
            batch.medications[translated["source_id"]] = line, translated  # type: ignore[assignment]
    return tally, batch


def _write(batch: _Batch, source: str, tally: Tally) -> list[Line]:
    """Write a batch and return the lines whose patient is not there.

    If the database refuses, write each half by itself, and so on down to the line at fault.
    """
    if not (batch.patients or batch.medications or batch.facts):
        return []
    try:
        with db.session.begin_nested():
            written, waiting = _write_whole(batch, source)
    except (IntegrityError, DataError) as error:
        lines = batch.lines()
        if len(lines) == 1:
            tally.faults.append(fault(lines[0], _reason(error)))
            tally.read[_type_of(lines[0])] -= 1
            return []
        middle = len(lines) // 2
        return [
            line
            for half in (lines[:middle], lines[middle:])
            for line in _write(_sort(half)[1], source, tally)
        ]
    tally.written += written
    return waiting


def _write_whole(batch: _Batch, source: str) -> tuple[Written, list[Line]]:
    written = write_patients([row for _, row in batch.patients.values()], source)
    written += write_medications([row for _, row in batch.medications.values()], source)
    about = {rows[0]["patient_source_id"] for _, rows in batch.facts.values()}
    patients = find_patients(source, about) if about else {}
    known = [
        rows for _, rows in batch.facts.values() if rows[0]["patient_source_id"] in patients
    ]
    written += write_facts(known, source, patients)
    waiting = [
        line for line, rows in batch.facts.values() if rows[0]["patient_source_id"] not in patients
    ]
    return written, waiting


def _deferral(line: Line, import_id: UUID) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "import_id": import_id,
        "file": line.file,
        "line": line.number,
        "resource": line.resource,
    }


def _reason(error: IntegrityError | DataError) -> str:
    diagnostics = getattr(error.orig, "diag", None)
    return _REASONS.get(getattr(diagnostics, "constraint_name", None) or "", REFUSED)


def _type_of(line: Line) -> str:
    return str((line.resource or {}).get("resourceType"))
