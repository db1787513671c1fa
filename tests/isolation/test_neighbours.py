"""Tenants of one database: constraints and COPY disclose nothing about the other tenant."""

from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from populated_tenants import PopulatedTenant
from psycopg2 import errors
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from tenant_databases import ask_in, placement_of
from walls import Wall

from trially.database.engines import engine_registry
from trially.database.model import TenantModel
from trially.database.session import db
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

REFERRING = {
    "site_id": "INSERT INTO patient (tenant_id, id, source_id, mrn, site_id)"
    " VALUES (:attacker, :fresh, 'X', 'X', :asked)",
    "patient_id": "INSERT INTO clinical_fact"
    " (tenant_id, id, patient_id, type, source, source_type, source_id, content_hash)"
    " VALUES (:attacker, :fresh, :asked, 'observation', 'X', 'X', 'X', '-')",
    "import_id": "INSERT INTO import_fault (tenant_id, id, import_id, file, line, reason)"
    " VALUES (:attacker, :fresh, :asked, 'X', 1, 'X')",
}
"""Statements that insert a row with a foreign key, by the name of the id it refers to."""

UNWANTED = """
SELECT relname, relkind FROM pg_class
WHERE relnamespace = {schema}::regnamespace AND relkind NOT IN ('r', 'i', 'p', 'I')
AND relname <> 'patient_audit_number_seq'
UNION ALL
SELECT relname, 'rule' FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
WHERE relnamespace = {schema}::regnamespace
UNION ALL
SELECT relname, 'inheritance' FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE relnamespace = {schema}::regnamespace AND NOT relispartition
UNION ALL
SELECT attname, 'identity' FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = {schema}::regnamespace AND attidentity <> '' AND attname <> 'audit_number'
UNION ALL
SELECT relname, 'granted sequence' FROM pg_class WHERE relkind = 'S'
AND relnamespace = {schema}::regnamespace AND relacl IS NOT NULL
UNION ALL
SELECT proname, 'function of a generated column' FROM pg_attrdef
JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum AND attgenerated <> ''
JOIN pg_class ON pg_class.oid = adrelid AND relnamespace = {schema}::regnamespace
JOIN pg_depend ON classid = 'pg_attrdef'::regclass AND objid = pg_attrdef.oid
JOIN pg_proc ON refclassid = 'pg_proc'::regclass AND refobjid = pg_proc.oid
UNION ALL
SELECT extname, 'extension' FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL
SELECT lanname, 'language' FROM pg_language WHERE lanname NOT IN ('internal', 'c', 'sql', 'plpgsql')
"""


def error_of(app: Flask, tenant: Tenant, statement: str, **values: Any) -> tuple[str, str]:
    """Return the SQLSTATE and message of the error, with the sent values masked."""
    with app.app_context(), tenant_context(str(tenant.id)):
        with pytest.raises(DBAPIError) as refusal:
            db.session.execute(text(statement), values)
        db.session.rollback()
    error: Any = refusal.value.orig
    message = str(error)
    for name, value in values.items():
        message = message.replace(str(value), name)
    return error.pgcode, message


@pytest.mark.parametrize("argument", REFERRING)
def test_a_foreign_key_does_not_disclose_whether_a_row_exists(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    argument: str,
    record_wall: Callable[..., None],
) -> None:
    values = {"attacker": str(attacker.tenant.id), "fresh": str(uuid4())}

    responses = {
        error_of(app, attacker.tenant, REFERRING[argument], **values, asked=asked)
        for asked in (victim.ids[argument], str(uuid4()))
    }

    assert [state for state, _ in responses] == ["23503"]
    record_wall("tests with a foreign key whether a row exists", Wall.KEY)


@pytest.mark.parametrize("name", ["site", "patient", "member", "import_job"])
def test_a_unique_key_does_not_disclose_whether_a_row_exists(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    name: str,
    record_wall: Callable[..., None],
) -> None:
    table = TenantModel.metadata.tables[name]
    with app.app_context(), tenant_context(str(victim.tenant.id)):
        row = dict(db.session.execute(select(table)).mappings().first() or {})
    assert row["tenant_id"] == victim.tenant.id

    # The same values in all unique columns, including the id. The database computes some of them.
    alike = {
        **{
            name: value
            for name, value in row.items()
            if table.c[name].computed is None and table.c[name].identity is None
        },
        "tenant_id": attacker.tenant.id,
        **({"site_id": None} if name == "patient" else {}),
    }
    with app.app_context(), tenant_context(str(attacker.tenant.id)):
        assert db.session.execute(table.insert().values(alike)).rowcount == 1  # type: ignore[attr-defined]
        db.session.rollback()
    record_wall("tests with a unique key whether a row exists", Wall.KEY)


def test_copy_is_limited_to_the_tenant(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    hiding_wall: Wall,
    record_wall: Callable[..., None],
) -> None:
    stranger = f"{victim.tenant.id}\t{uuid4()}\tX\n"

    with app.app_context(), tenant_context(str(attacker.tenant.id)) as entry:
        raw = engine_registry().engine_for(entry.placement).raw_connection()
        with raw.cursor() as cursor:
            out = StringIO()
            cursor.copy_expert("COPY site (tenant_id) TO STDOUT", out)
            raw.rollback()
            # PostgreSQL does not support COPY FROM with row security.
            with pytest.raises((errors.CheckViolation, errors.FeatureNotSupported)):
                cursor.copy_expert("COPY site (tenant_id, id, name) FROM STDIN", StringIO(stranger))
            raw.rollback()
        raw.close()

    assert set(out.getvalue().split()) == {str(attacker.tenant.id)}
    record_wall("copies a table out, and the other tenant's row in", hiding_wall)


def test_no_object_bypasses_the_policies(app: Flask, attacker: PopulatedTenant) -> None:
    schema = placement_of(app, attacker.tenant).schema

    unwanted = ask_in(app, attacker.tenant, UNWANTED.replace("{schema}", f"'{schema}'"))

    assert unwanted == []
