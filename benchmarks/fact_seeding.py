"""Fill a tenant with clinical facts like those of real records, by statements of SQL alone."""

from psycopg2 import sql

from trially.tenancy.catalog import Tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

FACTS_PER_PATIENT = 250

_PATIENTS = """
INSERT INTO {schema}.patient (tenant_id, id, source, source_id, mrn, given_name, family_name,
    birth_date, birth_date_precision, sex)
SELECT %s::uuid, uuidv7(), 'records', n::text, 'MRN-' || n, 'Given' || n %% 97,
    'Family' || n %% 211, date '1940-01-01' + n * 20 %% 25000, 'day', 'female'
FROM generate_series(1, %s) n
"""
_FACTS = """
INSERT INTO {schema}.clinical_fact (tenant_id, id, patient_id, type, code_system, code, display,
    category, status, start_at, start_precision, start_offset, recorded_at, recorded_offset,
    value_number, unit, reference_low, reference_high, source, source_type, source_id,
    encounter_source_id, content_hash, version_at, version_number)
SELECT patient.tenant_id, uuidv7(), patient.id, kind.type, kind.system, kind.code, kind.display,
    kind.category, kind.status, at, 'instant', -300, at + interval '1 hour', -300,
    round((kind.low + (kind.high - kind.low) * (n %% 23) / 15.0)::numeric, 1), kind.unit,
    kind.low, kind.high, 'records', kind.source_type,
    overlay(patient.id::text placing lpad(n::text, 4, '0') from 20 for 4),
    'encounter-' || patient.source_id || '-' || n / 6,
    sha256(convert_to(patient.source_id || '-' || n, 'UTF8')), at + interval '2 days', 1
FROM {schema}.patient
CROSS JOIN generate_series(1, %s) n
CROSS JOIN LATERAL (SELECT timestamptz '2008-01-01Z'
    + (n * 24 + patient.source_id::int %% 700) * interval '1 day' + n %% 600 * interval '1 minute'
) AS visit (at)
JOIN (VALUES
    (0, 'observation', 'http://loinc.org', '4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood',
        'laboratory', 'final', 4.0, 5.6, '%%', 'Observation'),
    (1, 'observation', 'http://loinc.org', '33914-3',
        'Estimated Glomerular Filtration Rate', 'laboratory', 'final', 60, 120,
        'mL/min/{{1.73_m2}}', 'Observation'),
    (2, 'observation', 'http://loinc.org', '8480-6', 'Systolic Blood Pressure', 'vital-signs',
        'final', 90, 140, 'mm[Hg]', 'Observation'),
    (3, 'observation', 'http://loinc.org', '29463-7', 'Body Weight', 'vital-signs', 'final',
        50, 110, 'kg', 'Observation'),
    (4, 'observation', 'http://loinc.org', '2093-3', 'Cholesterol [Mass/volume] in Serum or Plasma',
        'laboratory', 'final', 120, 200, 'mg/dL', 'Observation'),
    (5, 'encounter', 'http://snomed.info/sct', '185345009', 'Encounter for symptom', 'AMB',
        'finished', NULL, NULL, NULL, 'Encounter'),
    (6, 'procedure', 'http://snomed.info/sct', '430193006', 'Medication Reconciliation (procedure)',
        NULL, 'completed', NULL, NULL, NULL, 'Procedure'),
    (7, 'medication', 'http://www.nlm.nih.gov/research/umls/rxnorm', '860975',
        '24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet', NULL, 'active',
        NULL, NULL, NULL, 'MedicationRequest'),
    (8, 'condition', 'http://snomed.info/sct', '44054006', 'Diabetes mellitus type 2 (disorder)',
        'encounter-diagnosis', NULL, NULL, NULL, NULL, 'Condition'),
    (9, 'immunization', 'http://hl7.org/fhir/sid/cvx', '140',
        'Influenza, seasonal, injectable, preservative free', NULL, 'completed', NULL, NULL, NULL,
        'Immunization')
) AS kind (number, type, system, code, display, category, status, low, high, unit, source_type)
    ON kind.number = (n + patient.source_id::int) %% 10
WHERE patient.tenant_id = %s AND patient.source = 'records'
"""


def fill_with_facts(tenant: Tenant, facts: int) -> None:
    """Insert so many facts, and a patient for each `FACTS_PER_PATIENT` of them, with all indexes.

    Triggers and foreign keys are not checked, because the statements keep them.
    """
    place = tenant.placement
    patients = max(1, facts // FACTS_PER_PATIENT)
    schema = sql.Identifier(place.schema)
    with server_access(place.server.name).administer(place.database) as raw:
        execute(raw, "SET session_replication_role = replica")
        execute(raw, sql.SQL(_PATIENTS).format(schema=schema), str(tenant.id), patients)
        each = facts // patients
        execute(raw, sql.SQL(_FACTS).format(schema=schema), each, str(tenant.id))
        execute(raw, "VACUUM ANALYZE")
