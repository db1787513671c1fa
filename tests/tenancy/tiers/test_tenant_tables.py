"""Rules of every tenant table, read from the system catalogs, so that they apply to new tables."""

from uuid import uuid4

import pytest
from psycopg2 import errors
from tenant_databases import as_tenant, ask_in, placement_of

from trially.database.model import TenantModel, Versioned
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.append_only import APPEND_ONLY
from trially.tenancy.servers.connections import execute

SCHEMAS = {
    Tier.DEDICATED_DATABASE: {"tenant"},
    Tier.OWN_SCHEMA: {"blank"},
    Tier.POOLED_ROWS: {"tenant"},
}
"""The schemas of a database of each tier, besides its tenants' own schemas."""

HAS_CHECK = {Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA}


@pytest.fixture(scope="module")
def tenant(app, tier):
    """A tenant of each tier in turn, shared by the tests of this module."""
    with app.app_context():
        return create_tenant(f"tables-{uuid4().hex[:8]}", "Tables", tier=tier)


@pytest.fixture(scope="module")
def schema(tenant):
    return tenant.placement.schema


@pytest.fixture(scope="module")
def tables(app, tenant, schema):
    """The names of the tenant's tables."""
    rows = ask_in(
        app,
        tenant,
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace"
        " AND relkind IN ('r', 'p') AND relname <> 'alembic_version' ORDER BY relname",
        schema,
    )
    return [name for (name,) in rows]


def enter(raw, app, tenant):
    """Begin a transaction as the app does."""
    execute(raw, placement_of(app, tenant).opening)


def test_every_table_has_a_check_or_row_security(app, tier, tenant, schema, tables):
    held = ask_in(
        app,
        tenant,
        "SELECT relname::text, pg_get_constraintdef(pg_constraint.oid), convalidated"
        " FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
        " WHERE conname = 'ck_this_tenant' AND relnamespace = %s::regnamespace ORDER BY 1",
        schema,
    )
    secured = ask_in(
        app,
        tenant,
        "SELECT relname::text, relforcerowsecurity FROM pg_class"
        " WHERE relnamespace = %s::regnamespace AND relrowsecurity ORDER BY 1",
        schema,
    )

    assert "patient" in tables
    if tier in HAS_CHECK:
        rule = f"CHECK ((tenant_id = '{tenant.id}'::uuid))"
        assert held == [(name, rule, True) for name in tables]
        assert secured == []
    else:
        assert held == []
        assert secured == [(name, True) for name in tables]


def test_a_row_of_another_tenant_cannot_be_written(app, tier, tenant):
    refusal, wall = (
        (errors.CheckViolation, "ck_this_tenant")
        if tier in HAS_CHECK
        else (errors.InsufficientPrivilege, "row-level security")
    )
    with as_tenant(app, tenant) as raw:
        values = "(tenant_id, id, name) VALUES (%s, %s, %s)"
        enter(raw, app, tenant)
        execute(
            raw, f"INSERT INTO site {values}; COMMIT", str(tenant.id), str(uuid4()), "Riverside"
        )
        for statement, *parameters in (
            (f"INSERT INTO site {values}", str(uuid4()), str(uuid4()), "Hillside"),
            ("UPDATE site SET tenant_id = %s", str(uuid4())),
        ):
            enter(raw, app, tenant)
            with pytest.raises(refusal, match=wall):
                execute(raw, statement, *parameters)
            execute(raw, "ROLLBACK")


def test_every_primary_key_starts_with_the_tenant_id(app, tenant, schema, tables):
    rows = ask_in(
        app,
        tenant,
        "SELECT relname, atttypid::regtype::text, attnotnull, (SELECT pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'p')"
        " FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id'"
        " WHERE relname = ANY(%s) AND relkind IN ('r', 'p') AND relnamespace = %s::regnamespace",
        tables,
        schema,
    )

    assert len(rows) == len(tables)
    for name, *rest in rows:
        assert (name, *rest) == (name, "uuid", True, "PRIMARY KEY (tenant_id, id)")


def test_every_index_and_foreign_key_starts_with_the_tenant_id(app, tenant, schema):
    indexes = ask_in(
        app,
        tenant,
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid"
        " WHERE relnamespace = %s::regnamespace AND relname <> 'alembic_version'"
        " AND indkey[0] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "  WHERE attrelid = indrelid AND attname = 'tenant_id')",
        schema,
    )
    foreign_keys = ask_in(
        app,
        tenant,
        "SELECT conname FROM pg_constraint WHERE contype = 'f'"
        " AND connamespace = %s::regnamespace AND"
        " (conkey[1] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "   WHERE attrelid = conrelid AND attname = 'tenant_id')"
        "  OR confkey[1] IS DISTINCT FROM (SELECT attnum FROM pg_attribute"
        "   WHERE attrelid = confrelid AND attname = 'tenant_id'))",
        schema,
    )
    leaving = ask_in(
        app,
        tenant,
        "SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid"
        " WHERE contype = 'f' AND connamespace = %s::regnamespace"
        " AND relnamespace <> connamespace",
        schema,
    )

    assert (indexes, foreign_keys, leaving) == ([], [], [])


def test_every_table_has_its_one_policy(app, tenant, schema, tables):
    policies = ask_in(
        app,
        tenant,
        "SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check"
        " FROM pg_policies WHERE schemaname = %s ORDER BY tablename",
        schema,
    )
    rule = (
        "(tenant_id = (NULLIF(current_setting('trially.tenant_id'::text, true), ''::text))::uuid)"
    )

    assert policies == [
        (name, "tenant_rows", "PERMISSIVE", "{public}", "ALL", rule, rule) for name in tables
    ]


def test_every_table_with_versions_has_its_trigger(app, tenant, schema, tables):
    versioned = {
        mapper.local_table.name
        for mapper in TenantModel.registry.mappers
        if issubclass(mapper.class_, Versioned)
    }
    columns = ask_in(
        app,
        tenant,
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relname = ANY(%s) AND relnamespace = %s::regnamespace AND attname = 'version'",
        tables,
        schema,
    )
    triggers = ask_in(
        app,
        tenant,
        "SELECT relname, tgname, pronamespace::regnamespace::text || '.' || proname,"
        " tgenabled::text, pg_get_triggerdef(pg_trigger.oid)"
        " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " JOIN pg_proc ON pg_proc.oid = tgfoid"
        " WHERE NOT tgisinternal AND relnamespace = %s::regnamespace"
        " AND proname = 'grow_version' ORDER BY relname",
        schema,
    )

    assert {"patient", "site"} < versioned
    assert {name for (name,) in columns} == versioned
    assert triggers == [
        (
            name,
            "grow_version",
            f"{schema}.grow_version",
            "O",
            (
                f"CREATE TRIGGER grow_version BEFORE UPDATE ON {schema}.{name}"
                f" FOR EACH ROW EXECUTE FUNCTION {schema}.grow_version()"
            ),
        )
        for name in sorted(versioned)
    ]


def test_the_role_has_exactly_its_privileges_on_exactly_its_tables(app, tenant, schema, tables):
    granted = ask_in(
        app,
        tenant,
        "SELECT table_schema, table_name, string_agg(privilege_type, ',' ORDER BY privilege_type)"
        " FROM information_schema.role_table_grants WHERE grantee = %s GROUP BY 1, 2 ORDER BY 2",
        tenant.placement.role,
    )
    others = ask_in(
        app,
        tenant,
        "SELECT DISTINCT grantee FROM information_schema.role_table_grants"
        " WHERE table_schema = %s AND grantee NOT IN (%s, 'trially_catalog_owner')",
        schema,
        tenant.placement.role,
    )

    logs = {
        name
        for name, table in TenantModel.metadata.tables.items()
        if APPEND_ONLY.items() <= table.info.items()
    }
    assert granted == [
        (schema, name, "INSERT,SELECT" if name in logs else "DELETE,INSERT,SELECT,UPDATE")
        for name in tables
        if not name.startswith("audit_record_")  # Partitions are reached through their table.
    ]
    assert others == []


def test_the_login_role_has_no_privilege_on_tables_of_schemas(app, tier, tenant, schema):
    if tier is not Tier.OWN_SCHEMA:
        return
    with as_tenant(app, tenant) as raw:
        for statement in (
            f"SELECT * FROM {schema}.patient",
            "SELECT * FROM blank.patient",
            "SELECT * FROM trially.blueprint",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                execute(raw, statement)


def test_everything_in_the_database_belongs_to_the_owner(app, tier, tenant, schema):
    owners = ask_in(
        app,
        tenant,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace IN"
        " (%s::regnamespace, 'trially'::regnamespace) UNION"
        " SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname IN (%s, 'trially')"
        " UNION SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
        " UNION SELECT proowner::regrole::text FROM pg_proc"
        " WHERE pronamespace IN (%s::regnamespace, 'trially'::regnamespace)",
        schema,
        schema,
        schema,
    )
    rows = ask_in(
        app,
        tenant,
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN"
        " (SELECT rolname FROM pg_roles WHERE NOT rolcanlogin)",
    )

    assert owners == [("trially_catalog_owner",)]
    assert {name for (name,) in rows} == {"information_schema", "trially"} | SCHEMAS[tier]


def test_security_definer_functions_set_their_search_path(app, tenant):
    functions = ask_in(
        app,
        tenant,
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


def test_only_the_guard_has_security_definer_functions(app, tenant):
    rows = ask_in(
        app,
        tenant,
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace NOT IN"
        " ('trially'::regnamespace, 'pg_catalog'::regnamespace)",
    )

    assert rows == []
