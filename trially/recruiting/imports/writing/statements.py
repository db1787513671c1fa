"""The statements that write the rows of a source, a whole batch in each."""

from collections.abc import Sequence

from trially.recruiting.imports.fhir.rows import FactRow, MedicationRow, PatientRow
from trially.recruiting.imports.writing.model import Medication
from trially.recruiting.imports.writing.upserting import compose_upsert
from trially.recruiting.patients.corrections import CORRECTABLE, keep_corrections, kept_if_corrected
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.visits import LAST_ENCOUNTER, LOCAL_DAY, TOOK_PLACE
from trially.recruiting.records.model import ClinicalFact

# now() is the start of the transaction. A patient that a batch changes twice has `updated_at` =
# now() at the second change, so that the version increases by one.
INCREMENT_VERSION = (
    "clinical_version = patient.clinical_version + (patient.updated_at <> now())::int"
)

# Further codings of the facts in `written`. A statement does not see rows that it writes itself, so
# it keeps the codings that stay, and neither deletes nor inserts them.
_WRITE_CODINGS = """
coded AS (
    SELECT DISTINCT written.id AS record_id, coding.system, coding.code
    FROM written, jsonb_to_recordset(written.other_codings) AS coding(system text, code text)
    WHERE written.other_codings IS NOT NULL
), uncoded AS (
    DELETE FROM record_coding USING written
    WHERE NOT written.is_new AND record_coding.tenant_id = CAST(:tenant_id AS uuid)
    AND record_coding.record_id = written.id AND NOT EXISTS (
        SELECT FROM coded WHERE coded.record_id = record_coding.record_id
        AND coded.code = record_coding.code
        AND coded.system IS NOT DISTINCT FROM record_coding.system
    )
), encoded AS (
    INSERT INTO record_coding (tenant_id, id, record_id, system, code)
    SELECT CAST(:tenant_id AS uuid), gen_random_uuid(), record_id, system, code FROM coded
    WHERE NOT EXISTS (
        SELECT FROM record_coding old WHERE old.tenant_id = CAST(:tenant_id AS uuid)
        AND old.record_id = coded.record_id
        AND old.code = coded.code AND old.system IS NOT DISTINCT FROM coded.system
    )
)"""

_BIRTH_DATE = "birth_date"


def _has_other_life(birth_date: str) -> str:
    """Return SQL that tells whether an update changes the birth or the death.

    The records are compared with them.
    """
    names = (birth_date, "birth_date_precision", "deceased_on", "deceased_precision")
    former = ", ".join(f"former.{name}" for name in names)
    changed = ", ".join(f"patient.{name}" for name in names)
    return f"""patient.xmax <> 0 AND EXISTS (
    SELECT FROM patient former WHERE former.tenant_id = patient.tenant_id
    AND former.id = patient.id AND ({former}) IS DISTINCT FROM ({changed})
)"""


def _compose_patients(birth_date: str, new_only: Sequence[str] = ()) -> str:
    """Compose the upsert of patients, with the column that holds birth dates."""
    stored_in = {_BIRTH_DATE: birth_date}
    kept = {
        stored_in.get(name, name): kept_if_corrected(name, stored_in.get(name))
        for name in CORRECTABLE
    }
    # FHIR R4 cannot mark a Patient as entered in error. That field is needed for counting only.
    upsert = compose_upsert(
        Patient,
        PatientRow,
        ("source", "base_url", "source_id"),
        not_stored=["entered_in_error", "identifiers", "names", "custom_values"],
        also_set=f"{INCREMENT_VERSION}, {keep_corrections(birth_date)}",
        kept=kept,
        stored_in=stored_in,
        new_only=new_only,
        returning=f"id, base_url, source_id, {_has_other_life(birth_date)} AS has_other_life",
    )
    return f"""{upsert}
SELECT stale.number AS stale, is_new, id, base_url, source_id, has_other_life
FROM (SELECT count(*) AS number FROM incoming WHERE state = 'stale') AS stale
LEFT JOIN written ON true
"""


UPSERT_PATIENTS = _compose_patients(_BIRTH_DATE)
UPSERT_SEALED_PATIENTS = _compose_patients("birth_date_sealed", new_only=("audit_key",))
"""For tenants that encrypt fields. PostgreSQL cannot seal the default of `audit_key`."""

UPSERT_MEDICATIONS = f"""{
    compose_upsert(
        Medication,
        MedicationRow,
        ("source", "base_url", "source_id"),
        not_stored=["status", "entered_in_error"],
        returning="base_url, source_id",
    )
}
SELECT stale.number AS stale, is_new, base_url, source_id
FROM (SELECT count(*) AS number FROM incoming WHERE state = 'stale') AS stale
LEFT JOIN written ON true
"""

# A component of a stale version is not inserted, even if no newer version has it.
_BELONGS_TO_NEWEST = """(component = 0 OR NOT EXISTS (
    SELECT FROM incoming AS first WHERE first.component = 0 AND first.state = 'stale'
    AND first.base_url = incoming.base_url AND first.source_type = incoming.source_type
    AND first.source_id = incoming.source_id
))"""

# A changed fact may have moved from one patient to another: both are touched. The subquery finds
# the former patient, because it reads the table as it was before the statement.
UPSERT_FACTS = f"""{
    compose_upsert(
        ClinicalFact,
        FactRow,
        ("source", "base_url", "source_type", "source_id", "component"),
        added=["patient_id", "recorded_patient_id"],
        not_stored=["patient_source_id"],
        new_if=_BELONGS_TO_NEWEST,
        returning="id, other_codings, patient_id, source_type, component,"
        f" CASE WHEN {TOOK_PLACE} THEN {LOCAL_DAY} END AS seen_on,"
        " CASE WHEN clinical_fact.xmax <> 0 THEN (SELECT former.patient_id"
        " FROM clinical_fact former WHERE former.tenant_id = clinical_fact.tenant_id"
        " AND former.id = clinical_fact.id) END AS former_patient_id",
    )
}, {_WRITE_CODINGS}, touched AS (
    SELECT patient_id, max(seen_on) AS last_encounter_on
    FROM (
        SELECT patient_id, seen_on FROM written
        UNION ALL
        SELECT former_patient_id, NULL FROM written WHERE former_patient_id <> patient_id
    ) AS touching
    GROUP BY patient_id
), updated AS (
    UPDATE patient SET {INCREMENT_VERSION}, updated_at = now(),
        last_encounter_on = greatest(patient.last_encounter_on, touched.last_encounter_on)
    FROM touched
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = touched.patient_id
    RETURNING patient.id
), counted AS (
    SELECT source_type, count(*) FILTER (WHERE is_new) AS new,
        count(*) FILTER (WHERE NOT is_new) AS changed,
        array_agg(patient_id::text) FILTER (WHERE NOT is_new)
            || array_agg(former_patient_id::text) FILTER (WHERE NOT is_new) AS patients
    FROM written WHERE component = 0 GROUP BY source_type
), stale AS (
    SELECT source_type, count(*) AS stale FROM incoming
    WHERE state = 'stale' AND component = 0 GROUP BY source_type
)
SELECT source_type, coalesce(new, 0) AS new, coalesce(changed, 0) AS changed, patients,
    coalesce(stale, 0) AS stale, ARRAY(SELECT id FROM updated) AS touched
FROM counted FULL JOIN stale USING (source_type)
"""

REMOVE_COMPONENTS = """
DELETE FROM clinical_fact removed
USING json_to_recordset(CAST(:rows AS json))
    AS r(base_url text, source_type text, source_id text, last_component smallint,
        content_hash bytea)
WHERE removed.tenant_id = CAST(:tenant_id AS uuid) AND removed.source = :source
AND removed.base_url = r.base_url
AND removed.source_type = r.source_type AND removed.source_id = r.source_id
AND removed.component > r.last_component AND removed.content_hash <> r.content_hash
AND EXISTS (
    SELECT FROM clinical_fact first WHERE first.tenant_id = CAST(:tenant_id AS uuid)
    AND first.source = :source AND first.base_url = r.base_url
    AND first.source_type = r.source_type AND first.source_id = r.source_id
    AND first.component = 0 AND first.content_hash = r.content_hash
)
RETURNING removed.patient_id
"""

RECOUNT_ENCOUNTERS = f"""
UPDATE patient SET last_encounter_on = {LAST_ENCOUNTER}
FROM (SELECT DISTINCT id FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid)) AS touched
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = touched.id
"""

NAME_MEDICATIONS = f"""
WITH written AS (
    UPDATE clinical_fact SET code_system = medication.code_system, code = medication.code,
        display = coalesce(medication.display, clinical_fact.display),
        other_codings = medication.other_codings, updated_at = now()
    FROM json_to_recordset(CAST(:rows AS json)) AS r(base_url text, source_id text), medication
    WHERE medication.tenant_id = CAST(:tenant_id AS uuid) AND medication.source = :source
    AND medication.base_url = r.base_url AND medication.source_id = r.source_id
    AND clinical_fact.tenant_id = CAST(:tenant_id AS uuid) AND clinical_fact.source = :source
    AND clinical_fact.base_url = r.base_url
    AND clinical_fact.medication_source_id = r.source_id
    AND (clinical_fact.code_system, clinical_fact.code, clinical_fact.display,
            clinical_fact.other_codings)
        IS DISTINCT FROM (medication.code_system, medication.code,
            coalesce(medication.display, clinical_fact.display), medication.other_codings)
    RETURNING clinical_fact.patient_id, clinical_fact.id, clinical_fact.other_codings,
        false AS is_new
), {_WRITE_CODINGS}
UPDATE patient SET {INCREMENT_VERSION}, updated_at = now()
WHERE patient.tenant_id = CAST(:tenant_id AS uuid)
AND patient.id IN (SELECT patient_id FROM written)
RETURNING patient.id
"""
