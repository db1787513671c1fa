"""Write translated resources into the current tenant's tables."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Table, select, tuple_

from trially.database.changes import note_derived, note_written
from trially.database.rows import columns_named, fetch_items, of_current_tenant, table_of
from trially.database.sealed_rows import new_keys, stored_row
from trially.database.sealing import field_state
from trially.database.session import db
from trially.recruiting.imports.fhir.meta import Version
from trially.recruiting.imports.writing.custom_values import (
    lock_custom_fields,
    write_custom_values,
)
from trially.recruiting.imports.writing.fact_texts import begin_again, end_fact, join_texts
from trially.recruiting.imports.writing.identifying import write_all_names, write_identifiers
from trially.recruiting.imports.writing.model import Medication
from trially.recruiting.imports.writing.patient_keys import FoundPatient
from trially.recruiting.imports.writing.statements import (
    NAME_MEDICATIONS,
    RECOUNT_ENCOUNTERS,
    REMOVE_COMPONENTS,
    UPSERT_FACTS,
    UPSERT_MEDICATIONS,
    UPSERT_PATIENTS,
    UPSERT_SEALED_PATIENTS,
)
from trially.recruiting.imports.writing.upserting import new_id, run_with_json, run_with_rows
from trially.recruiting.patients.ages import resolve_ages
from trially.recruiting.patients.lifetimes import mark_records, redate_records
from trially.recruiting.patients.merging import follow_links
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.choices import SOURCE_TYPES
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.search.indexing import index_patients

WriteCounts = Counter[tuple[str, str]]
"""Number of written resources by type and by `new` or `changed`."""

Item = dict[str, Any]


class RecordKey(NamedTuple):
    """What identifies a record of a source."""

    type: str
    base_url: str
    """Empty for the source's own server."""

    id: str

    def columns(self) -> dict[str, str]:
        """Return the key as columns of a row."""
        return {"base_url": self.base_url, "source_type": self.type, "source_id": self.id}


class TranslatedResource(NamedTuple):
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
    texts: Sequence[bytes] = ()
    """The facts as JSON: `begin_facts`. Empty if it has to be written again."""

    @property
    def id(self) -> str:
        """The resource's id at the source."""
        source_id: str = self.rows[0]["source_id"]
        return source_id

    @property
    def key(self) -> RecordKey:
        """What identifies the resource."""
        return RecordKey(self.type, self.rows[0]["base_url"], self.id)

    @property
    def version(self) -> Version:
        """Which version of the record it is."""
        return Version(self.rows[0]["version_at"], self.rows[0]["version_number"])

    @property
    def patient_id(self) -> str:
        """The key of a fact's patient: the source's id, or an identifier."""
        source_id: str = self.rows[0]["patient_source_id"]
        return source_id


_MEDICATION_TYPES = frozenset(kind for kind in SOURCE_TYPES if kind.startswith("Medication"))
_WITHOUT_COLUMN = frozenset({"identifiers", "names", "custom_values"})

PlacedRecord = tuple[TranslatedResource, FoundPatient]
"""A fact or a document, and its patient."""


def write_patients(patients: Sequence[TranslatedResource], source: str) -> WriteCounts:
    """Write patients of a source, with all that they are found by, and which are replaced."""
    custom_fields = lock_custom_fields(patients)
    rows = _upsert_patients(patients, source)
    write_custom_values(patients, rows, custom_fields)
    write_identifiers(patients, rows)
    write_all_names(patients, rows)
    written = [row.id for row in rows if row.is_new is not None]
    note_written("patient", patients=written)
    follow_links(written, source)
    index_patients(written)
    redate_records(row.id for row in rows if row.has_other_life)
    return _count("Patient", rows)


def write_medications(medications: Sequence[TranslatedResource], source: str) -> WriteCounts:
    """Write Medication resources of a source, and their codes into the facts that refer to them."""
    rows = _upsert(UPSERT_MEDICATIONS, medications, source)
    written = [
        {"base_url": row.base_url, "source_id": row.source_id}
        for row in rows
        if row.is_new is not None
    ]
    if written:
        named = run_with_rows(NAME_MEDICATIONS, written, source=source)
        note_written("clinical_fact", "patient", patients=[row.id for row in named])
    return _count("Medication", rows)


def write_facts(facts: Sequence[PlacedRecord], source: str) -> WriteCounts:
    """Write facts of a source, each with its patient."""
    written = _write_json(facts, source, _find_medications(source, facts))
    counts = WriteCounts()
    rows = run_with_json(UPSERT_FACTS, written) if facts else []
    # Each row has the patients of all.
    note_written("clinical_fact", "patient", patients=rows[0].touched if rows else ())
    for row in rows:
        counts[row.source_type, "new"] = row.new
        counts[row.source_type, "changed"] = row.changed
        counts[row.source_type, "stale"] = row.stale
        if row.changed:
            _remove_obsolete(row.source_type, row.patients, facts, source)
    _judge_dates(facts, source)
    return counts


def _write_json(
    facts: Sequence[PlacedRecord],
    source: str,
    medications: Mapping[tuple[str, str | None], Item],
) -> str:
    """Return the JSON of facts and of their components."""
    texts: list[bytes] = []
    ends: dict[str, bytes] = {}
    for fact, patient in facts:
        end = ends.get(fact.patient_id)
        if end is None:
            end = end_fact(source, patient.current_id, patient.replaced_id)
            ends[fact.patient_id] = end
        named = medications.get(_medication_of(fact), {}) if medications else {}
        begun = fact.texts
        if named or not begun:
            begun = begin_again(fact.rows, fact.digest, named)
        texts += [text + end for text in begun]
    return join_texts(texts).decode()


def _medication_of(fact: TranslatedResource) -> tuple[str, str | None]:
    """Return the base URL and the id of the Medication that a fact refers to."""
    row = fact.rows[0]
    return row["base_url"], row.get("medication_source_id")


def _judge_dates(facts: Sequence[PlacedRecord], source: str) -> None:
    """Mark the facts that are dated before the birth or after the death.

    They are no faults of the import: whether they are marked may change with the patient.
    """
    aged, judged = set(), set()
    for fact, patient in facts:
        row = fact.rows[0]
        if row.get("start_age") is not None or row.get("end_age") is not None:
            aged.add(str(patient.current_id))
            judged.add(fact.key)
        elif patient.is_outside_life(row):
            judged.add(fact.key)
    if aged:
        resolve_ages(aged)
    if judged:
        mark_records(_find_records(judged, source))


def _find_records(keys: Collection[RecordKey], source: str) -> Sequence[UUID]:
    """Return the ids of the stored facts of these keys, with their components."""
    key = tuple_(ClinicalFact.source_type, ClinicalFact.base_url, ClinicalFact.source_id)
    statement = select(ClinicalFact.id).where(
        of_current_tenant(ClinicalFact), ClinicalFact.source == source, key.in_(keys)
    )
    return db.session.scalars(statement).all()


def _upsert_patients(patients: Sequence[TranslatedResource], source: str) -> Sequence[Row[Any]]:
    if field_state().version is None:
        return _upsert(UPSERT_PATIENTS, patients, source)
    table = table_of(Patient)
    items = [stored_row(table, _with_key(item, table)) for item in _items_of(patients, source)]
    return run_with_rows(UPSERT_SEALED_PATIENTS, items) if items else []


def _with_key(item: Item, table: Table) -> Item:
    """Return the row of a patient with a key for audit records, and without what has no column.

    PostgreSQL would ignore that, and could log it.
    """
    stored = {name: value for name, value in item.items() if name not in _WITHOUT_COLUMN}
    return {**stored, **new_keys(table)}


def _upsert(
    statement: str, resources: Sequence[TranslatedResource], source: str
) -> Sequence[Row[Any]]:
    items = list(_items_of(resources, source))
    return run_with_rows(statement, items) if items else []


def _items_of(resources: Sequence[TranslatedResource], source: str) -> Iterator[Item]:
    return (
        {**row, "id": new_id(), "source": source, "content_hash": resource.digest}
        for resource in resources
        for row in resource.rows
    )


def _count(resource_type: str, rows: Sequence[Row[Any]]) -> WriteCounts:
    counts = WriteCounts(
        (resource_type, "new" if row.is_new else "changed")
        for row in rows
        if row.is_new is not None
    )
    counts[resource_type, "stale"] = rows[0].stale if rows else 0
    return counts


def _find_medications(
    source: str, facts: Sequence[PlacedRecord]
) -> Mapping[tuple[str, str | None], Item]:
    """Return the codes of the stored Medication resources that facts refer to.

    The keys are the base URL and the id of the Medication.
    """
    wanted = {
        _medication_of(fact)
        for fact, _ in facts
        if fact.type in _MEDICATION_TYPES and fact.rows[0].get("medication_source_id") is not None
    }
    if not wanted:
        return {}
    columns = columns_named(
        Medication, ("base_url", "source_id", "code_system", "code", "display", "other_codings")
    )
    rows = fetch_items(
        select(*columns).where(
            of_current_tenant(Medication),
            Medication.source == source,
            tuple_(Medication.base_url, Medication.source_id).in_(wanted),
        )
    )
    return {
        (row.pop("base_url"), row.pop("source_id")): {
            name: value for name, value in row.items() if value is not None
        }
        for row in rows
    }


def _remove_obsolete(
    source_type: str, patient_ids: Sequence[str], facts: Sequence[PlacedRecord], source: str
) -> None:
    """Remove components that changed resources no longer have, and recount last encounters."""
    lengths = [
        {
            **fact.key.columns(),
            "last_component": len(fact.rows) - 1,
            "content_hash": fact.digest,
        }
        for fact, _ in facts
        if fact.type == source_type
    ]
    removed = run_with_rows(REMOVE_COMPONENTS, lengths, source=source)
    note_written("clinical_fact", patients=[row.patient_id for row in removed])
    if source_type == "Encounter":
        run_with_rows(RECOUNT_ENCOUNTERS, [{"id": patient_id} for patient_id in patient_ids])
        note_derived("patient")
