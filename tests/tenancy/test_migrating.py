import json
import re
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2 import sql
from sqlalchemy import text
from tenant_databases import TABLES, access_of, as_tenant, ask, ask_in

from trially.auth.roles import DEFAULT_PHI_LEVELS, Role
from trially.config import ROOT
from trially.database.model import CatalogModel, TenantModel
from trially.recruiting.imports.run_counts import COUNTED
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.status import suspend_tenant
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.lineages import (
    CATALOG_LINEAGE,
    TENANT_LINEAGE,
    _is_modelled,
    alembic_config,
    run_upgrade,
)
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.connections import execute

FUNCTIONS = "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'tenant'::regnamespace"
LINEAGES = {"catalog": CATALOG_LINEAGE, "tenant": TENANT_LINEAGE}
MODELS = {"catalog": CatalogModel, "tenant": TenantModel}

EVERYTHING = """
SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod),
    attnotnull::text, pg_get_expr(adbin, adrelid)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace IN ('tenant'::regnamespace, 'trially'::regnamespace) AND attnum > 0
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL
FROM pg_constraint WHERE connamespace IN ('tenant'::regnamespace, 'trially'::regnamespace)
UNION ALL
SELECT 'index', indrelid::regclass::text, pg_get_indexdef(indexrelid), NULL, NULL, NULL
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace IN ('tenant'::regnamespace, 'trially'::regnamespace)
UNION ALL
SELECT 'policy', tablename, policyname, qual, with_check, roles::text FROM pg_policies
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(pg_trigger.oid), tgenabled::text,
    NULL, NULL
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = 'tenant'::regnamespace AND NOT tgisinternal
UNION ALL
SELECT 'grant', relname, relowner::regrole::text, array_to_string(relacl, ' '), NULL, NULL
FROM pg_class WHERE relnamespace IN ('tenant'::regnamespace, 'trially'::regnamespace)
UNION ALL
SELECT 'function', proname, prosrc, proowner::regrole::text, array_to_string(proacl, ' '), NULL
FROM pg_proc WHERE pronamespace = 'trially'::regnamespace
UNION ALL
SELECT 'schema', nspname, nspowner::regrole::text, array_to_string(nspacl, ' '), NULL, NULL
FROM pg_namespace WHERE nspname IN ('tenant', 'trially')
"""


def describe(app, tenant):
    """Describe a tenant's database so that two can be compared."""
    rows = ask(app, EVERYTHING, database=tenant.placement.database)
    own_names = re.compile(f"{tenant.placement.role}|{tenant.id}")
    return sorted(tuple(own_names.sub("OWN", str(cell)) for cell in row) for row in rows)


@pytest.fixture(params=LINEAGES)
def lineage(request):
    return request.param


@pytest.fixture
def blank_database(app):
    """A connection to a database with an empty schema of each name."""
    name = f"t_blank_{uuid4().hex[:8]}"
    access = access_of(app)
    with access.administer() as raw:
        execute(
            raw,
            sql.SQL("CREATE DATABASE {} OWNER trially_catalog_owner").format(sql.Identifier(name)),
        )
        with app.app_context(), as_owner(access, name) as connection:
            for schema in LINEAGES:
                connection.execute(text(f"CREATE SCHEMA {schema}"))
            connection.commit()
            yield connection
        execute(raw, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_each_lineage_has_one_head_and_numbers_without_gaps(lineage):
    script = ScriptDirectory.from_config(alembic_config(LINEAGES[lineage]))
    revisions = [revision.revision for revision in script.walk_revisions()][::-1]
    files = sorted(path.name[:4] for path in (LINEAGES[lineage] / "versions").glob("*.py"))

    assert script.get_heads() == [revisions[-1]]
    assert revisions == [f"{number:04d}" for number in range(1, len(revisions) + 1)]
    assert files == revisions


def test_each_lineage_goes_down_to_nothing_and_up_again(blank_database, lineage):
    tables = text(f"SELECT count(*) FROM pg_class WHERE relnamespace = '{lineage}'::regnamespace")
    run_upgrade(LINEAGES[lineage], blank_database, lineage)
    count = blank_database.scalar(tables)

    config = alembic_config(LINEAGES[lineage])
    config.attributes.update(connection=blank_database, schema=lineage)
    command.downgrade(config, "base")
    remaining = blank_database.scalars(
        text(f"SELECT relname FROM pg_class WHERE relnamespace = '{lineage}'::regnamespace")
    ).all()
    run_upgrade(LINEAGES[lineage], blank_database, lineage)

    assert sorted(remaining) == ["alembic_version", "alembic_version_pkc"]
    assert blank_database.scalar(tables) == count


def test_each_head_matches_the_models(blank_database, lineage):
    run_upgrade(LINEAGES[lineage], blank_database, lineage)
    options = {
        "include_object": _is_modelled,
        "compare_server_default": True,
        "version_table_schema": lineage,
    }
    context = MigrationContext.configure(blank_database, opts=options)

    assert compare_metadata(context, MODELS[lineage].metadata) == [], (
        'The models differ from the migrations. Run `.venv/bin/flask db migrate -m "…"`.'
    )


def test_existing_members_get_the_level_of_their_role(blank_database):
    config = alembic_config(TENANT_LINEAGE)
    config.attributes.update(connection=blank_database, schema="tenant")
    command.upgrade(config, "0002")
    for number, role in enumerate(Role):
        blank_database.execute(
            text(
                "INSERT INTO tenant.member (tenant_id, id, issuer, subject, role)"
                " VALUES (gen_random_uuid(), gen_random_uuid(), 'i', :subject, :role)"
            ),
            {"subject": str(number), "role": role.value},
        )
    blank_database.commit()

    command.upgrade(config, "0003")

    levels = blank_database.execute(
        text("SELECT role, phi_level, has_all_sites FROM tenant.member")
    )
    assert {tuple(row) for row in levels} == {
        (role, level, True) for role, level in DEFAULT_PHI_LEVELS.items()
    }


def test_earlier_imports_have_every_count(blank_database):
    config = alembic_config(TENANT_LINEAGE)
    config.attributes.update(connection=blank_database, schema="tenant")
    command.upgrade(config, "0006")
    earlier = dict.fromkeys(("read", "new", "changed", "entered_in_error"), 2)
    for number, counts in enumerate(({}, {"Patient": earlier, "Condition": earlier})):
        blank_database.execute(
            text(
                "INSERT INTO tenant.import_job (tenant_id, id, source, fingerprint, counts)"
                " VALUES (gen_random_uuid(), gen_random_uuid(), 'epic', :number, :counts)"
            ),
            {"number": str(number), "counts": json.dumps(counts)},
        )
    blank_database.commit()

    command.upgrade(config, "head")

    counts = blank_database.scalars(
        text("SELECT counts FROM tenant.import_job ORDER BY fingerprint")
    ).all()
    shown = {**dict.fromkeys(COUNTED, 0), **earlier}
    assert counts == [{}, {"Patient": shown, "Condition": shown}]


def test_a_scratch_database_is_dropped_afterwards(app, tenant):
    with app.app_context(), scratch_database(access_of(app)) as scratch:
        name = scratch.scalar(text("SELECT current_database()"))
        assert scratch.scalar(text(f"SELECT count(*) FROM {TENANT_SCHEMA}.patient")) == 0

    assert ask(app, "SELECT 1 FROM pg_database WHERE datname = %s", name) == []


@pytest.fixture
def run_flask(own_app, monkeypatch):
    """Run a command on an installation of the test's own."""
    monkeypatch.chdir(ROOT)
    return lambda *arguments: own_app.test_cli_runner().invoke(args=arguments)


def test_a_migrated_tenant_equals_a_new_one(own_app, run_flask):
    with own_app.app_context():
        migrated, fresh, suspended = (
            create_tenant(slug, slug) for slug in ("migrated", "fresh", "suspended")
        )
        suspend_tenant(suspended.slug)
    with access_of(own_app).administer(migrated.placement.database) as raw:
        for (table,) in execute(raw, TABLES):
            execute(
                raw, sql.SQL("DROP TABLE IF EXISTS tenant.{} CASCADE").format(sql.Identifier(table))
            )
        execute(raw, "DROP TABLE tenant.alembic_version")
        for (function,) in execute(raw, FUNCTIONS):
            execute(raw, f"DROP FUNCTION {function}")
        execute(raw, "DROP FUNCTION trially.analyze_tables()")
    assert describe(own_app, migrated) != describe(own_app, fresh)

    result = run_flask("db", "upgrade")

    assert result.exit_code == 0, result.output
    assert describe(own_app, migrated) == describe(own_app, fresh)
    with as_tenant(own_app, migrated) as raw:
        execute(raw, "SELECT count(*) FROM tenant.patient; SELECT trially.analyze_tables()")
    state = ask_in(own_app, suspended, "SELECT epoch, is_suspended FROM trially.placement")
    assert state == [(2, True)]


@pytest.mark.parametrize("arguments", [(), ("--directory", "migrations/catalog")])
def test_flask_db_works_on_either_lineage(own_app, run_flask, arguments):
    with own_app.app_context():
        create_tenant("somebody", "Somebody")

    for verb in ("heads", "history", "current", "check", "upgrade"):
        result = run_flask("db", verb, *arguments)
        assert result.exit_code == 0, result.output


def test_the_sql_of_one_lineage_is_printed_once(own_app, run_flask):
    with own_app.app_context():
        for slug in ("first", "second"):
            create_tenant(slug, slug)

    result = run_flask("db", "upgrade", "0014:0016", "--sql")

    assert result.exit_code == 0, result.output
    assert result.output.count("BEGIN;") == result.output.count("COMMIT;") == 2
    assert result.output.count("UPDATE tenant.alembic_version SET version_num='0016'") == 1


def test_showing_the_revision_changes_nothing(own_app, run_flask):
    with own_app.app_context():
        tenant = create_tenant("somebody", "Somebody")
    ask_in(own_app, tenant, "DROP FUNCTION trially.analyze_tables()")
    before = describe(own_app, tenant)

    run_flask("db", "current")

    assert describe(own_app, tenant) == before
    run_flask("db", "upgrade")
    assert describe(own_app, tenant) != before
