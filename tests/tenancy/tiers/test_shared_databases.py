"""Shared databases are chosen by free room, created when needed, and left clean."""

import re
from dataclasses import replace
from uuid import uuid4

import pytest
from psycopg2 import sql
from sqlalchemy import insert, select, text
from tenant_databases import access_of, ask, ask_in, placement_of
from uuid_utils.compat import uuid7

from trially.database.placement import enter_placement
from trially.database.rows import fetch_items, insert_item, table_of
from trially.database.session import db, transaction
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog import SharedDatabase
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle import provisioning
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import tier_of
from trially.tenancy.tiers.blank_schema import BLANK_SCHEMA

SHARED = [Tier.OWN_SCHEMA, Tier.POOLED_ROWS]

EVERYTHING = """
SELECT 'column', relname::text, attname::text, format_type(atttypid, atttypmod), attnotnull::text,
    pg_get_expr(adbin, adrelid), attstorage::text
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = {schema}::regnamespace AND relkind = 'r' AND attnum > 0
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid),
    convalidated::text, NULL, NULL
FROM pg_constraint WHERE connamespace = {schema}::regnamespace AND conname <> 'ck_this_tenant'
UNION ALL
SELECT 'index', relname, pg_get_indexdef(oid), relowner::regrole::text, NULL, NULL, NULL
FROM pg_class WHERE relnamespace = {schema}::regnamespace AND relkind = 'i'
UNION ALL
SELECT 'policy', tablename, policyname, qual, with_check, roles::text, permissive
FROM pg_policies WHERE schemaname = {schema}
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(pg_trigger.oid), NULL, NULL, NULL, NULL
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = {schema}::regnamespace AND NOT tgisinternal
UNION ALL
SELECT 'function', proname, prosrc, proowner::regrole::text, proacl::text, NULL, NULL
FROM pg_proc WHERE pronamespace = {schema}::regnamespace
UNION ALL
SELECT 'table', relname, relowner::regrole::text, relrowsecurity::text, NULL, NULL, NULL
FROM pg_class WHERE relnamespace = {schema}::regnamespace AND relkind = 'r'
"""


@pytest.fixture
def make(app):
    def make_one(tier):
        with app.app_context():
            return create_tenant(f"sharing-{uuid4().hex[:8]}", "Sharing", tier=tier)

    return make_one


def describe(app, database, schema):
    with access_of(app).administer(database) as raw:
        rows = execute(raw, sql.SQL(EVERYTHING).format(schema=sql.Literal(schema)))
    return sorted(tuple(re.sub(schema, "SCHEMA", str(cell)) for cell in row) for row in rows)


def test_a_new_schema_has_every_object_of_the_blank_schema_by_name(app, make):
    tenant = make(Tier.OWN_SCHEMA)
    record = tenant.placement

    copied = describe(app, record.database, record.schema)

    assert {kind for kind, *_ in copied} == {
        *("column", "constraint", "index", "policy", "trigger", "function", "table")
    }
    assert copied == describe(app, record.database, BLANK_SCHEMA)
    versions = ask_in(
        app,
        tenant,
        f"SELECT (SELECT version_num FROM {record.schema}.alembic_version) ="
        f" (SELECT version_num FROM {BLANK_SCHEMA}.alembic_version)",
    )
    assert versions == [(True,)]


@pytest.mark.parametrize("tier", SHARED)
def test_tenants_share_a_database_and_its_engine(app, make, tier):
    first, second = placement_of(app, make(tier)), placement_of(app, make(tier))

    assert (first.bind_key, first.url) == (second.bind_key, second.url)
    assert first.tenant_id != second.tenant_id
    assert (first.schema == second.schema) == (tier is Tier.POOLED_ROWS)
    assert (first.role is None) == (tier is Tier.POOLED_ROWS)


@pytest.mark.parametrize("tier", SHARED)
def test_a_database_is_created_when_the_others_are_full(app, make, tier, monkeypatch):
    first = make(tier).placement.database
    settings = state_of(app).settings
    full = replace(settings, schemas_per_database=1, tenants_per_pool=1)
    monkeypatch.setattr(state_of(app), "settings", full)

    second, third = make(tier).placement.database, make(tier).placement.database

    assert len({first, second, third}) == 3
    with app.app_context(), catalog_transaction() as session:
        listed = session.scalars(
            select(SharedDatabase.name).where(SharedDatabase.tier == tier)
        ).all()
    assert {first, second, third} <= set(listed)
    there = {name for (name,) in ask(app, "SELECT datname FROM pg_database")}
    assert set(listed) <= there


@pytest.mark.parametrize("tier", SHARED)
def test_a_creation_that_is_undone_changes_no_other_tenant(app, make, tier, monkeypatch):
    other = make(tier)
    with app.app_context(), tenant_context(other.slug), transaction():
        insert_item(Site, {"name": "Riverside"}, ["id"])

    def fill_and_fail(_session, operation):
        record = operation.placement
        with app.app_context(), transaction():
            enter_placement(tier_of(record).placement(record))
            insert_item(Site, {"name": "Hillside"}, ["id"])
        raise RuntimeError("This step fails.")

    steps = [*provisioning.PROVISION.steps[:-1], Step("activate", fill_and_fail)]
    monkeypatch.setitem(
        KINDS, "provision", OperationKind("provision", steps, provisioning.PROVISION.undo)
    )
    before = roles_and_schemas(app, other)
    with pytest.raises(RuntimeError, match="This step fails"):
        make(tier)

    assert roles_and_schemas(app, other) == before
    assert ask_in(
        app, other, "SELECT count(*) FROM trially.placement WHERE tenant_id = %s", str(other.id)
    ) == [(1,)]
    with app.app_context(), tenant_context(other.slug):
        assert fetch_items(select(table_of(Site).c.name)) == [{"name": "Riverside"}]
    if tier is Tier.POOLED_ROWS:
        names = ask_in(app, other, "SELECT DISTINCT name FROM tenant.site WHERE name = 'Hillside'")
        assert names == []


@pytest.mark.parametrize("tier", SHARED)
def test_a_tenant_with_large_objects_is_removed(app, make, tier):
    tenant = make(tier)
    with app.app_context(), tenant_context(tenant.slug), transaction():
        db.session.execute(text("SELECT lo_from_bytea(0, 'X')"))

    with app.app_context():
        tier_of(tenant.placement).remove(tenant.placement)

    if tier is Tier.OWN_SCHEMA:
        roles = ask(app, "SELECT 1 FROM pg_roles WHERE rolname = %s", tenant.placement.role)
        made = ask_in(app, tenant, "SELECT count(*) FROM pg_largeobject_metadata")
        assert (roles, made) == ([], [(0,)])


def roles_and_schemas(app, tenant):
    return (
        set(ask(app, "SELECT rolname FROM pg_roles")),
        set(ask_in(app, tenant, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'")),
        set(ask_in(app, tenant, "SELECT tenant_id FROM trially.placement")),
    )


@pytest.mark.parametrize("tier", SHARED)
def test_statistics_are_of_the_tenants_own_tables(app, make, tier):
    tenant = make(tier)

    with app.app_context(), tenant_context(tenant.slug), transaction():
        insert_item(Site, {"name": "Riverside"}, ["id"])
        db.session.execute(text("SELECT trially.analyze_tables()"))

    record = tenant.placement
    analysed = ask_in(
        app,
        tenant,
        "SELECT reltuples FROM pg_class WHERE relname = 'site' AND relnamespace = %s::regnamespace",
        record.schema,
    )
    assert analysed[0][0] >= 1


def test_a_tenant_that_grows_beside_a_large_one_is_analyzed_once(app, make):
    """Else PostgreSQL takes the tenant for one with one row, and chooses wrong indexes."""
    large, small = make(Tier.POOLED_ROWS), make(Tier.POOLED_ROWS)

    def is_known_after(tenant, added):
        with app.app_context(), tenant_context(tenant.slug):
            with transaction():
                db.session.execute(
                    insert(table_of(Site)),
                    [
                        {"tenant_id": tenant.id, "id": uuid7(), "name": f"Site {number} {uuid4()}"}
                        for number in range(added)
                    ],
                )
            with transaction():
                db.session.execute(text("SELECT trially.analyze_tables()"))
        [(known, analyzed)] = ask_in(
            app,
            tenant,
            "SELECT most_common_vals::text::uuid[] @> ARRAY[%s::uuid],"
            " pg_stat_get_last_analyze_time((schemaname || '.site')::regclass) FROM pg_stats"
            " WHERE schemaname = %s AND tablename = 'site' AND attname = 'tenant_id'",
            tenant.id,
            tenant.placement.schema,
        )
        return known, analyzed

    assert is_known_after(large, 20_000)[0]
    assert not is_known_after(small, 900)[0]
    is_known, first = is_known_after(small, 200)
    assert is_known
    assert is_known_after(small, 200) == (True, first)
