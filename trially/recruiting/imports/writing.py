"""Write translated resources into the current tenant's tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import is_ours
from trially.database.session import db
from trially.recruiting.imports.model import Medication
from trially.recruiting.imports.rows import FactRow, MedicationRow, PatientRow
from trially.recruiting.imports.upserting import compose_upsert, digest, run_with_rows
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.model import ClinicalFact

Written = Counter[tuple[str, str]]
"""How many resources of a type are `new`, and how many `changed`."""

_UPSERT_PATIENTS = compose_upsert(
    Patient,
    ("source", "source_id"),
    # Of these the source says nothing, so that importing leaves them as they are.
    kept=frozenset({"site_id", "contact_preference", "last_encounter_on", "clinical_version"}),
    also_set="clinical_version = patient.clinical_version + 1",
)
_UPSERT_MEDICATIONS = compose_upsert(Medication, ("source", "source_id"))

# A resource's first row carries the digest of all its rows: a component that is gone shows there.
_UPSERT_FACTS = f"""
WITH written AS ({
    compose_upsert(
        ClinicalFact,
        ("source", "source_type", "source_id", "component"),
        returning="patient_id, source_type, source_id, component, type, start_at, entered_in_error",
    )
}), incoming AS (
    SELECT source_type, source_id, max(component) AS last_component
    FROM json_to_recordset(CAST(:rows AS json))
        AS r(source_type text, source_id text, component smallint)
    GROUP BY source_type, source_id
), removed AS (
    DELETE FROM clinical_fact gone USING written, incoming
    WHERE written.component = 0 AND NOT written.is_new
    AND incoming.source_type = written.source_type AND incoming.source_id = written.source_id
    AND gone.tenant_id = CAST(:tenant_id AS uuid) AND gone.source = :source
    AND gone.source_type = written.source_type AND gone.source_id = written.source_id
    AND gone.component > incoming.last_component
), touched AS (
    SELECT patient_id, (
        max(start_at) FILTER (WHERE type = 'encounter' AND NOT entered_in_error)
        AT TIME ZONE 'UTC'
    )::date AS last_encounter_on
    FROM written GROUP BY patient_id
), bumped AS (
    UPDATE patient SET clinical_version = clinical_version + 1, updated_at = now(),
        last_encounter_on = greatest(patient.last_encounter_on, touched.last_encounter_on)
    FROM touched
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = touched.patient_id
)
SELECT source_type, count(*) FILTER (WHERE is_new) AS new,
    count(*) FILTER (WHERE NOT is_new) AS changed
FROM written WHERE component = 0 GROUP BY source_type
"""

_NAME_MEDICATIONS = """
UPDATE clinical_fact SET code_system = medication.code_system, code = medication.code,
    display = coalesce(medication.display, clinical_fact.display)
FROM medication
WHERE clinical_fact.tenant_id = :tenant_id AND clinical_fact.source = :source
AND clinical_fact.medication_source_id IS NOT NULL
AND medication.tenant_id = :tenant_id AND medication.source = :source
AND medication.source_id = clinical_fact.medication_source_id
AND (clinical_fact.code_system, clinical_fact.code)
    IS DISTINCT FROM (medication.code_system, medication.code)
"""


def write_patients(patients: Iterable[PatientRow], source: str) -> Written:
    """Write patients of a source."""
    items = [
        {**row, "id": uuid7(), "source": source, "content_hash": digest(row)} for row in patients
    ]
    return _count("Patient", run_with_rows(_UPSERT_PATIENTS, items)) if items else Written()


def write_medications(medications: Iterable[MedicationRow], source: str) -> Written:
    """Write what the Medication resources of a source are."""
    items = [
        {**row, "id": uuid7(), "source": source, "content_hash": digest(row)}
        for row in medications
    ]
    return _count("Medication", run_with_rows(_UPSERT_MEDICATIONS, items)) if items else Written()


def write_facts(
    resources: Iterable[Sequence[FactRow]], source: str, patients: Mapping[str, UUID]
) -> Written:
    """Write the rows of each resource, about `patients`: ids by the source's ids."""
    items = [
        {
            **row,
            "id": uuid7(),
            "source": source,
            "patient_id": patients[row["patient_source_id"]],
            "content_hash": digest(rows if row["component"] == 0 else row),
        }
        for rows in resources
        for row in rows
    ]
    written = Written()
    for counted in run_with_rows(_UPSERT_FACTS, items, source=source) if items else ():
        written[counted.source_type, "new"] = counted.new
        written[counted.source_type, "changed"] = counted.changed
    return written


def find_patients(source: str, source_ids: Iterable[str]) -> Mapping[str, UUID]:
    """Return the ids of a source's patients by the source's own ids."""
    statement = select(Patient.source_id, Patient.id).where(
        is_ours(Patient), Patient.source == source, Patient.source_id.in_(list(source_ids))
    )
    return dict(db.session.execute(statement).tuples().all())


def name_medications(source: str) -> None:
    """Say what the medications are that records only refer to, where it is known by now."""
    parameters = {"tenant_id": current_placement().tenant_id, "source": source}
    db.session.execute(text(_NAME_MEDICATIONS), parameters)


def analyze_tables() -> None:
    """Have PostgreSQL look at what the tables have become, so that it chooses the right indexes."""
    db.session.execute(text("SELECT trially.analyze_tables()"))


def _count(resource_type: str, rows: Sequence[object]) -> Written:
    written = Written()
    for row in rows:
        written[resource_type, "new" if row.is_new else "changed"] += 1  # type: ignore[attr-defined]
    return written
