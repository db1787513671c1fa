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

Written = Counter[tuple[str, str]]
"""How many resources of a type are `new`, and how many `changed`."""

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as the rows it becomes, and where it was read."""

    file: str
    line: int
    type: str
    rows: Sequence[Item]
    """A Patient's or Medication's one row; of other types, a fact and those of its components."""
    digest: str
    """Of all the rows, so that a component that is gone shows in it."""

    @property
    def id(self) -> str:
        """Its id at the source."""
        found: str = self.rows[0]["source_id"]
        return found

    @property
    def patient_id(self) -> str:
        """The source's id of the patient whom a fact is about."""
        found: str = self.rows[0]["patient_source_id"]
        return found


def write_patients(patients: Sequence[Resource], source: str) -> Written:
    """Write patients of a source."""
    return _count("Patient", _run(UPSERT_PATIENTS, patients, source))


def write_medications(medications: Sequence[Resource], source: str) -> Written:
    """Write what the Medication resources of a source are, also where facts refer to them."""
    rows = _run(UPSERT_MEDICATIONS, medications, source)
    if rows:
        named = [{"source_id": row.source_id} for row in rows]
        run_with_rows(NAME_MEDICATIONS, named, source=source)
    return _count("Medication", rows)


def write_facts(facts: Sequence[Resource], source: str, patients: Mapping[str, UUID]) -> Written:
    """Write what is recorded about `patients`: ids by the source's ids."""
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
    written = Written()
    for counted in run_with_rows(UPSERT_FACTS, items) if items else ():
        written[counted.source_type, "new"] = counted.new
        written[counted.source_type, "changed"] = counted.changed
        if counted.changed:
            _clean_up(counted, facts, source)
    return written


def find_patients(source: str, source_ids: Iterable[str]) -> Mapping[str, UUID]:
    """Return the ids of a source's patients by the source's own ids.

    None of them can be removed before the transaction ends.
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
    """Return which facts, given by type and id, have been written since a moment."""
    items = [{"source_type": kind, "source_id": source_id} for kind, source_id in keys]
    rows = run_with_rows(FIND_WRITTEN, items, source=source, since=since)
    return [(row.source_type, row.source_id) for row in rows]


def _run(statement: str, resources: Sequence[Resource], source: str) -> Sequence[Row[Any]]:
    items = [
        {**row, "id": uuid7(), "source": source, "content_hash": resource.digest}
        for resource in resources
        for row in resource.rows
    ]
    return run_with_rows(statement, items) if items else []


def _count(resource_type: str, rows: Sequence[Row[Any]]) -> Written:
    return Written((resource_type, "new" if row.is_new else "changed") for row in rows)


def _find_medications(source: str, facts: Sequence[Resource]) -> Mapping[str | None, Item]:
    """Return what is known of the Medication resources that facts refer to, by their ids."""
    wanted = {fact.rows[0]["medication_source_id"] for fact in facts} - {None}
    if not wanted:
        return {}
    columns = columns_named(Medication, ("source_id", "code_system", "code", "display"))
    found = fetch_items(
        select(*columns).where(
            of_current_tenant(Medication),
            Medication.source == source,
            Medication.source_id.in_(wanted),
        )
    )
    return {
        item.pop("source_id"): {name: value for name, value in item.items() if value is not None}
        for item in found
    }


def _clean_up(counted: Row[Any], facts: Sequence[Resource], source: str) -> None:
    """Remove what changed resources say no longer."""
    lengths = [
        {"source_type": fact.type, "source_id": fact.id, "last_component": len(fact.rows) - 1}
        for fact in facts
        if fact.type == counted.source_type
    ]
    run_with_rows(REMOVE_COMPONENTS, lengths, source=source)
    if counted.source_type == "Encounter":
        run_with_rows(RECOUNT_ENCOUNTERS, [{"id": patient} for patient in counted.patients])
