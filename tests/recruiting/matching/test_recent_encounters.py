"""Recent encounters are found from an index, on each tier, whatever else a tenant has."""

import datetime as dt

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant
from sqlalchemy import text
from tenant_databases import access_of

from trially.database.placement import current_placement
from trially.database.session import db, transaction
from trially.recruiting.matching.narrowing import Narrowing
from trially.recruiting.matching.usable import used_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

ENCOUNTERS = 3_000

INSERT = """
INSERT INTO clinical_fact (tenant_id, id, patient_id, type, category, status, code, start_at,
    start_precision, source, source_type, source_id, content_hash)
SELECT :tenant_id, gen_random_uuid(), :patient_id, 'encounter', 'AMB', 'finished', '185349003',
    TIMESTAMPTZ '2025-01-01 12:00Z' - number * INTERVAL '1 day', 'instant', 'clinic', 'Encounter',
    'visit-' || number, ''
FROM generate_series(1, :count) AS number
"""


@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS])
def test_recent_encounters_are_found_from_an_index(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    tier: Tier,
) -> None:
    member = as_member(make_tenant(tier))
    patient = make_patient(member)
    recent = Narrowing(ended_since=dt.date(2024, 12, 20))

    with app.app_context(), tenant_context(str(member.tenant.id)):
        with transaction():
            parameters = {"tenant_id": current_placement().tenant_id, "count": ENCOUNTERS}
            db.session.execute(text(INSERT), {**parameters, "patient_id": patient["id"]})
        placement = member.tenant.placement
        with access_of(app).administer(placement.database) as raw:
            execute(raw, f"ANALYZE {placement.schema}.clinical_fact")
        with transaction(), db.session.connection().connection.cursor() as cursor:
            statement = (
                "SELECT patient_id, start_at FROM clinical_fact AS fact WHERE fact.tenant_id ="
                f" %(tenant_id)s AND {used_of('encounter')} {recent.condition()}"
            )
            named = {"tenant_id": str(placement.tenant_id), **recent.parameters()}
            cursor.execute(statement, named)
            found = cursor.fetchall()
            # A small table is read whole, if PostgreSQL may do so.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {statement}", named)
            plan = "\n".join(line for (line,) in cursor.fetchall())

    # At noon of each day from 20 December to 31 December.
    assert len(found) == 12
    assert "ix_clinical_fact_visited" in plan, plan
    assert "WHEN" in plan.partition("Index Cond:")[2].partition("\n")[0], plan
