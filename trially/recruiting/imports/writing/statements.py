"""The statements that write the rows of a source, a whole batch in each."""

from trially.recruiting.imports.fhir.rows import FactRow, MedicationRow, PatientRow
from trially.recruiting.imports.model import Medication
from trially.recruiting.imports.writing.upserting import compose_upsert
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.model import ClinicalFact

# now() is the start of the transaction. A patient that a batch changes twice has `updated_at` =
# now() at the second change, so that the version increases by one.
_INCREMENT_VERSION = (
    "clinical_version = patient.clinical_version + (patient.updated_at <> now())::int"
)

UPSERT_PATIENTS = compose_upsert(
    Patient,
    PatientRow,
    ("source", "source_id"),
    # FHIR R4 cannot mark a Patient as entered in error. The field is needed for counting only.
    not_stored=["entered_in_error", "names"],
    also_set=_INCREMENT_VERSION,
    returning="id, source_id",
)
UPSERT_MEDICATIONS = compose_upsert(
    Medication,
    MedicationRow,
    ("source", "source_id"),
    not_stored=["other_codings", "status", "entered_in_error"],
    returning="source_id",
)

# A changed fact may have moved from one patient to another: both are touched. The subquery finds
# the former patient, because it reads the table as it was before the statement.
UPSERT_FACTS = f"""
WITH written AS ({
    compose_upsert(
        ClinicalFact,
        FactRow,
        ("source", "source_type", "source_id", "component"),
        added=["patient_id"],
        not_stored=["patient_source_id"],
        returning="patient_id, source_type, component, CASE WHEN type = 'encounter'"
        " AND NOT entered_in_error THEN start_at END AS seen_at,"
        " CASE WHEN clinical_fact.xmax <> 0 THEN (SELECT former.patient_id"
        " FROM clinical_fact former WHERE former.tenant_id = clinical_fact.tenant_id"
        " AND former.id = clinical_fact.id) END AS former_patient_id",
    )
}), touched AS (
    SELECT patient_id, (max(seen_at) AT TIME ZONE 'UTC')::date AS last_encounter_on
    FROM (
        SELECT patient_id, seen_at FROM written
        UNION ALL
        SELECT former_patient_id, NULL FROM written WHERE former_patient_id <> patient_id
    ) AS touching
    GROUP BY patient_id
), updated AS (
    UPDATE patient SET {_INCREMENT_VERSION}, updated_at = now(),
        last_encounter_on = greatest(patient.last_encounter_on, touched.last_encounter_on)
    FROM touched
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = touched.patient_id
)
SELECT source_type, count(*) FILTER (WHERE is_new) AS new,
    count(*) FILTER (WHERE NOT is_new) AS changed,
    array_agg(patient_id::text) FILTER (WHERE NOT is_new)
        || array_agg(former_patient_id::text) FILTER (WHERE NOT is_new) AS patients
FROM written WHERE component = 0 GROUP BY source_type
"""

REMOVE_COMPONENTS = """
DELETE FROM clinical_fact removed
USING json_to_recordset(CAST(:rows AS json))
    AS r(source_type text, source_id text, last_component smallint)
WHERE removed.tenant_id = CAST(:tenant_id AS uuid) AND removed.source = :source
AND removed.source_type = r.source_type AND removed.source_id = r.source_id
AND removed.component > r.last_component
"""

RECOUNT_ENCOUNTERS = """
UPDATE patient SET last_encounter_on = (
    SELECT (max(start_at) AT TIME ZONE 'UTC')::date FROM clinical_fact
    WHERE clinical_fact.tenant_id = patient.tenant_id AND clinical_fact.patient_id = patient.id
    AND type = 'encounter' AND NOT clinical_fact.entered_in_error
)
FROM (SELECT DISTINCT id FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid)) AS touched
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = touched.id
"""

NAME_MEDICATIONS = f"""
WITH named AS (
    UPDATE clinical_fact SET code_system = medication.code_system, code = medication.code,
        display = coalesce(medication.display, clinical_fact.display), updated_at = now()
    FROM json_to_recordset(CAST(:rows AS json)) AS r(source_id text), medication
    WHERE medication.tenant_id = CAST(:tenant_id AS uuid) AND medication.source = :source
    AND medication.source_id = r.source_id
    AND clinical_fact.tenant_id = CAST(:tenant_id AS uuid) AND clinical_fact.source = :source
    AND clinical_fact.medication_source_id = r.source_id
    AND (clinical_fact.code_system, clinical_fact.code, clinical_fact.display)
        IS DISTINCT FROM (medication.code_system, medication.code,
            coalesce(medication.display, clinical_fact.display))
    RETURNING clinical_fact.patient_id
)
UPDATE patient SET {_INCREMENT_VERSION}, updated_at = now()
WHERE patient.tenant_id = CAST(:tenant_id AS uuid)
AND patient.id IN (SELECT patient_id FROM named)
"""

FIND_WRITTEN = """
SELECT fact.source_type, fact.source_id
FROM clinical_fact fact
JOIN json_to_recordset(CAST(:rows AS json)) AS r(source_type text, source_id text)
    ON fact.source_type = r.source_type AND fact.source_id = r.source_id
WHERE fact.tenant_id = CAST(:tenant_id AS uuid) AND fact.source = :source
AND fact.component = 0 AND fact.updated_at >= :since
"""
