"""The rules of every tenant table, read from the catalogs: a table that is new is held to them."""

from uuid import uuid4

import pytest
from psycopg2 import errors
from tenant_databases import TABLES, as_tenant, ask_in

from trially.tenancy.servers import execute


def test_every_table_is_held_to_its_tenant(app, place):
    tables = [name for (name,) in ask_in(app, place, TABLES)]
    held = ask_in(
        app,
        place,
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid), convalidated"
        " FROM pg_constraint WHERE conname = 'ck_this_tenant' ORDER BY 1",
    )

    assert "patient" in tables
    assert held == [
        (f"tenant.{name}", f"CHECK ((tenant_id = '{place.id}'::uuid))", True) for name in tables
    ]


def test_a_row_of_another_tenant_cannot_be_written(app, place):
    with as_tenant(app, place) as raw:
        values = "(tenant_id, id, name) VALUES (%s, %s, 'Riverside')"
        execute(raw, f"INSERT INTO tenant.site {values}", str(place.id), str(uuid4()))
        with pytest.raises(errors.CheckViolation, match="ck_this_tenant"):
            execute(raw, f"INSERT INTO tenant.site {values}", str(uuid4()), str(uuid4()))
        with pytest.raises(errors.CheckViolation, match="ck_this_tenant"):
            execute(raw, "UPDATE tenant.site SET tenant_id = %s", str(uuid4()))


def test_every_table_has_its_tenants_id_first_in_its_key(app, place):
    rows = ask_in(
        app,
        place,
        "SELECT relname, atttypid::regtype::text, attnotnull, (SELECT pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'p')"
        " FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id'"
        f" WHERE relname IN ({TABLES.replace(' ORDER BY relname', '')}) AND relkind IN ('r', 'p')"
        " AND relnamespace = 'tenant'::regnamespace",
    )

    assert rows
    for name, *rest in rows:
        assert (name, *rest) == (name, "uuid", True, "PRIMARY KEY (tenant_id, id)")


def test_every_index_and_foreign_key_leads_with_the_tenants_id(app, place):
    indexes = ask_in(
        app,
        place,
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid"
        " WHERE relnamespace = 'tenant'::regnamespace AND relname <> 'alembic_version'"
        " AND indkey[0] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "  WHERE attrelid = indrelid AND attname = 'tenant_id')",
    )
    foreign_keys = ask_in(
        app,
        place,
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND"
        " (conkey[1] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "   WHERE attrelid = conrelid AND attname = 'tenant_id')"
        "  OR confkey[1] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "   WHERE attrelid = confrelid AND attname = 'tenant_id'))",
    )

    assert indexes == []
    assert foreign_keys == []


def test_every_table_has_its_one_policy(app, place):
    tables = [name for (name,) in ask_in(app, place, TABLES)]
    policies = ask_in(
        app,
        place,
        "SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check"
        " FROM pg_policies WHERE schemaname = 'tenant' ORDER BY tablename",
    )
    rule = (
        "(tenant_id = (NULLIF(current_setting('trially.tenant_id'::text, true), ''::text))::uuid)"
    )

    assert policies == [
        (name, "tenant_rows", "PERMISSIVE", "{public}", "ALL", rule, rule) for name in tables
    ]


def test_the_role_has_exactly_four_privileges_on_exactly_its_tables(app, place):
    granted = ask_in(
        app,
        place,
        "SELECT table_schema, table_name, string_agg(privilege_type, ',' ORDER BY privilege_type)"
        " FROM information_schema.role_table_grants WHERE grantee = %s GROUP BY 1, 2 ORDER BY 2",
        place.placement.role,
    )
    tables = [name for (name,) in ask_in(app, place, TABLES)]

    assert granted == [("tenant", name, "DELETE,INSERT,SELECT,UPDATE") for name in tables]


def test_everything_in_the_database_belongs_to_the_owner(app, place):
    owners = ask_in(
        app,
        place,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace IN"
        " ('tenant'::regnamespace, 'trially'::regnamespace) UNION"
        " SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname IN ('tenant', 'trially')"
        " UNION SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
        " UNION SELECT proowner::regrole::text FROM pg_proc"
        " WHERE pronamespace = 'trially'::regnamespace",
    )
    schemas = ask_in(
        app, place, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
    )

    assert owners == [("trially_catalog_owner",)]
    assert schemas == [("information_schema",), ("tenant",), ("trially",)]


def test_what_runs_as_its_owner_pins_its_search_path(app, place):
    functions = ask_in(
        app,
        place,
        "SELECT proname, prosecdef, provolatile, proconfig, proacl::text !~ '[{,]='"
        " FROM pg_proc WHERE pronamespace = 'trially'::regnamespace",
    )

    assert functions
    for name, *properties in functions:
        assert (name, *properties) == (
            name,
            True,
            "v",
            ["search_path=pg_catalog, pg_temp"],
            True,
        )
