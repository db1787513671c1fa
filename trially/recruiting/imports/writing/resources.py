"""Write translated resources into the current tenant's tables."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from uuid_utils.compat import uuid7

from trially.database.rows import columns_named, fetch_items, of_current_tenant
from trially.database.session import db
from trially.recruiting.imports.model import Medication
from trially.recruiting.imports.writing.statements import (
    FIND_WRITTEN,
    NAME_MEDICATIONS,
    RECOUNT_ENCOUNTERS,
    REMOVE_COMPONENTS,
    UPSERT_FACTS,
    UPSERT_MEDICATIONS,
    UPSERT_PATIENTS,
)
from trially.recruiting.imports.writing.upserting import run_with_rows
from trially.recruiting.patients.model import Patient
from trially.recruiting.search.indexing import index_patients, write_names

WriteCounts = Counter[tuple[str, str]]
"""Number of written resources by type and by `new` or `changed`."""

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TranslatedResource:
    """The rows of one resource, and the place in the input that the resource was read from."""

    file: str
    line: int
    type: str
    rows: Sequence[Item]
    """One row of a Patient or Medication. Else a fact, followed by the facts of its components."""
    digest: str
    """Digest of all rows together, so that a removed component changes it."""
    json_bytes: int = 0
    """Size of all rows as JSON."""

    @property
    def id(self) -> str:
        """The resource's id at the source."""
        source_id: str = self.rows[0]["source_id"]
        return source_id

    @property
    def patient_id(self) -> str:
        """The source's id of a fact's patient."""
        source_id: str = self.rows[0]["patient_source_id"]
        return source_id


def write_patients(patients: Sequence[TranslatedResource], source: str) -> WriteCounts:
    """Write patients of a source, with their names and search terms."""
    written = _upsert(UPSERT_PATIENTS, patients, source)
    if written:
        names = {patient.id: patient.rows[0]["names"] for patient in patients}
        write_names({row.id: names[row.source_id] for row in written})
        index_patients(row.id for row in written)
    return _count("Patient", written)


def write_medications(medications: Sequence[TranslatedResource], source: str) -> WriteCounts:
    """Write Medication resources of a source, and their codes into the facts that refer to them."""
    rows = _upsert(UPSERT_MEDICATIONS, medications, source)
    if rows:
        written = [{"source_id": row.source_id} for row in rows]
        run_with_rows(NAME_MEDICATIONS, written, source=source)
    return _count("Medication", rows)


def write_facts(
    facts: Sequence[TranslatedResource], source: str, patients: Mapping[str, UUID]
) -> WriteCounts:
    """Write facts of a source. `patients` maps the source's ids of their patients to ours."""
    medications = _find_medications(source, facts)
    items = [
        {
            **row,
            **medications.get(row["medication_source_id"], {}),
            "id": uuid7(),
            "source": source,
            "patient_id": patients[fact.patient_id],
            "content_hash": fact.digest,
        }
        for fact in facts
        for row in fact.rows
    ]
    counts = WriteCounts()
    for row in run_with_rows(UPSERT_FACTS, items) if items else ():
        counts[row.source_type, "new"] = row.new
        counts[row.source_type, "changed"] = row.changed
        if row.changed:
            _remove_obsolete(row.source_type, row.patients, facts, source)
    return counts


def find_patients(source: str, source_ids: Iterable[str]) -> Mapping[str, UUID]:
    """Return the ids of a source's patients by the source's own ids.

    The rows are locked until the transaction ends, so that no other transaction deletes them.
    """
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


def find_written(
    source: str, keys: Iterable[tuple[str, str]], since: dt.datetime
) -> Sequence[tuple[str, str]]:
    """Return the facts, of these types and ids, that have been written since a time."""
    items = [{"source_type": kind, "source_id": source_id} for kind, source_id in keys]
    rows = run_with_rows(FIND_WRITTEN, items, source=source, since=since)
    return [(row.source_type, row.source_id) for row in rows]


def _upsert(
    statement: str, resources: Sequence[TranslatedResource], source: str
) -> Sequence[Row[Any]]:
    items = [
        {**row, "id": uuid7(), "source": source, "content_hash": resource.digest}
        for resource in resources
        for row in resource.rows
    ]
    return run_with_rows(statement, items) if items else []


def _count(resource_type: str, rows: Sequence[Row[Any]]) -> WriteCounts:
    return WriteCounts((resource_type, "new" if row.is_new else "changed") for row in rows)


def _find_medications(
    source: str, facts: Sequence[TranslatedResource]
) -> Mapping[str | None, Item]:
    """Return the codes of the stored Medication resources that facts refer to, by their ids."""
    source_ids = {fact.rows[0]["medication_source_id"] for fact in facts} - {None}
    if not source_ids:
        return {}
    columns = columns_named(Medication, ("source_id", "code_system", "code", "display"))
    rows = fetch_items(
        select(*columns).where(
            of_current_tenant(Medication),
            Medication.source == source,
            Medication.source_id.in_(source_ids),
        )
    )
    return {
        row.pop("source_id"): {name: value for name, value in row.items() if value is not None}
        for row in rows
    }


def _remove_obsolete(
    source_type: str, patient_ids: Sequence[str], facts: Sequence[TranslatedResource], source: str
) -> None:
    """Remove components that changed resources no longer have, and recount last encounters."""
    lengths = [
        {"source_type": fact.type, "source_id": fact.id, "last_component": len(fact.rows) - 1}
        for fact in facts
        if fact.type == source_type
    ]
    run_with_rows(REMOVE_COMPONENTS, lengths, source=source)
    if source_type == "Encounter":
        run_with_rows(RECOUNT_ENCOUNTERS, [{"id": patient_id} for patient_id in patient_ids])
