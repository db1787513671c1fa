"""Filters by custom values begin in an index, also behind row-level security."""

import json
from typing import Any

import pytest
from flask import Flask
from members import MakeTenant
from psycopg2 import sql
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from tenant_databases import access_of

from trially.audit.working import working
from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.custom_fields.values import term_of_value
from trially.recruiting.patients.model import Patient
from trially.recruiting.search.custom_values import of_records_with
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

PATIENTS = 3_000
INDEX = "ix_patient_search_term_words"

_FILL = """
WITH added AS (
    INSERT INTO {patient} (tenant_id, id, source_id, mrn)
    SELECT %(tenant)s, gen_random_uuid(), number, number FROM generate_series(1, %(most)s) AS number
    RETURNING id, source_id
)
INSERT INTO {term} (tenant_id, id, patient_id, kind, field, term)
SELECT %(tenant)s, gen_random_uuid(), added.id, 'custom', 'custom', term
FROM added, LATERAL (VALUES
    (CASE WHEN source_id = '7' THEN %(rare)s ELSE md5(source_id) END),
    (CASE WHEN source_id::integer %% 2 = 0 THEN %(frequent)s ELSE %(other)s END)
) AS terms(term)
"""


@pytest.fixture(scope="module")
def filled(app: Flask, make_tenant: MakeTenant, tier: Tier) -> Tenant:
    """A tenant with patients of whom one has a rare value, and half have a frequent one."""
    tenant = make_tenant(tier)
    schema = tenant.placement.schema
    names = {name: sql.Identifier(schema, f"patient{more}") for name, more in _TABLES.items()}
    terms = {
        "rare": term_of_value("code", "rare"),
        "frequent": term_of_value("cohort", "A"),
        "other": term_of_value("cohort", "B"),
    }
    with access_of(app).administer(tenant.placement.database) as raw, raw.cursor() as cursor:
        cursor.execute(
            sql.SQL(_FILL).format(**names), {"tenant": tenant.id, "most": PATIENTS, **terms}
        )
        for name in names.values():
            cursor.execute(sql.SQL("ANALYZE {}").format(name))
    return tenant


_TABLES = {"patient": "", "term": "_search_term"}


def explained(app: Flask, tenant: Tenant, values: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of a page of patients with some values, and what it has read."""
    with app.app_context(), tenant_context(str(tenant.id)), working():
        patient = table_of(Patient).c
        statement = (
            select(patient.id)
            .where(of_current_tenant(Patient), *of_records_with(patient.id, values))
            .order_by(patient.id)
            .limit(51)
            .compile(
                dialect=postgresql.psycopg2.dialect(),
                compile_kwargs={"render_postcompile": True},
            )
        )
        assert current_placement().tenant_id == tenant.id
        plan = db.session.connection().exec_driver_sql(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", statement.params
        )
        return dict(plan.scalar_one()[0])


def test_a_rare_value_is_found_without_reading_the_others(app: Flask, filled: Tenant) -> None:
    plan = explained(app, filled, {"code": "rare"})

    assert plan["Plan"]["Actual Rows"] == 1
    assert INDEX in json.dumps(plan)
    assert '"Seq Scan"' not in json.dumps(plan)


def test_two_values_are_found_together(app: Flask, filled: Tenant) -> None:
    plan = explained(app, filled, {"code": "rare", "cohort": "A"})
    frequent = explained(app, filled, {"cohort": "A"})

    assert plan["Plan"]["Actual Rows"] == 0
    assert frequent["Plan"]["Actual Rows"] == 51
