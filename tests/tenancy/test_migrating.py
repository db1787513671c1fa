import re
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2 import sql
from repository_copies import RepositoryCopy, installation_of
from sqlalchemy import text
from tenant_databases import TABLES, access_of, as_tenant, ask, ask_in

from trially.auth.permissions import DEFAULT_PHI_LEVELS, Role
from trially.config import ROOT
from trially.database.model import CatalogModel, TenantModel
from trially.database.rows import insert_item
from trially.database.session import db, transaction
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.status import suspend_tenant
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.lineages import (
    CATALOG_LINEAGE,
    TENANT_LINEAGE,
    _is_modelled,
    alembic_config,
    head_of,
    run_upgrade,
)
from trially.tenancy.schema.protection import create_policy_sql
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.connections import execute

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
    made = blank_database.scalar(tables)

    config = alembic_config(LINEAGES[lineage])
    config.attributes.update(connection=blank_database, schema=lineage)
    command.downgrade(config, "base")
    left = blank_database.scalars(
        text(f"SELECT relname FROM pg_class WHERE relnamespace = '{lineage}'::regnamespace")
    ).all()
    run_upgrade(LINEAGES[lineage], blank_database, lineage)

    assert sorted(left) == ["alembic_version", "alembic_version_pkc"]
    assert blank_database.scalar(tables) == made


def test_each_head_is_what_the_models_say(blank_database, lineage):
    run_upgrade(LINEAGES[lineage], blank_database, lineage)
    options = {
        "include_object": _is_modelled,
        "compare_server_default": True,
        "version_table_schema": lineage,
    }
    context = MigrationContext.configure(blank_database, opts=options)

    assert compare_metadata(context, MODELS[lineage].metadata) == []


def test_members_of_before_are_given_the_level_of_their_role(blank_database):
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


def test_a_scratch_database_is_gone_afterwards(app, tenant):
    with app.app_context(), scratch_database(access_of(app)) as scratch:
        name = scratch.scalar(text("SELECT current_database()"))
        assert scratch.scalar(text(f"SELECT count(*) FROM {TENANT_SCHEMA}.patient")) == 0

    assert ask(app, "SELECT 1 FROM pg_database WHERE datname = %s", name) == []


@pytest.fixture
def run_flask(own_app, monkeypatch):
    """Run a command on an installation of the test's own."""
    monkeypatch.chdir(ROOT)
    return lambda *arguments: own_app.test_cli_runner().invoke(args=arguments)


def test_a_tenant_migrated_in_place_is_like_one_made_today(own_app, run_flask):
    with own_app.app_context():
        migrated, fresh, suspended = (
            create_tenant(slug, slug) for slug in ("migrated", "fresh", "suspended")
        )
        suspend_tenant(suspended.slug)
    with access_of(own_app).administer(migrated.placement.database) as raw:
        for (table,) in execute(raw, TABLES):
            execute(raw, sql.SQL("DROP TABLE tenant.{} CASCADE").format(sql.Identifier(table)))
        execute(raw, "DROP TABLE tenant.alembic_version; DROP FUNCTION tenant.grow_version()")
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


def test_asking_for_the_revision_changes_nothing(own_app, run_flask):
    with own_app.app_context():
        tenant = create_tenant("somebody", "Somebody")
    ask_in(own_app, tenant, "DROP FUNCTION trially.analyze_tables()")
    before = describe(own_app, tenant)

    run_flask("db", "current")

    assert describe(own_app, tenant) == before
    run_flask("db", "upgrade")
    assert describe(own_app, tenant) != before


NEXT_MIGRATION = """
from alembic import op
from trially.state import state_of

revision, down_revision = "{revision}", "{head}"
branch_labels = depends_on = None


def upgrade():
    op.execute("ALTER TABLE site ADD COLUMN seen text")
    op.execute("UPDATE site SET seen = 'migrated'")
    op.execute("CREATE TABLE visit (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id))")
    op.execute({last_statement!r})
"""


POLICY = "".join(create_policy_sql("visit"))


@pytest.fixture
def run_next_migration(own_app, settings, tmp_path):
    """Run `flask` where there is one migration more, on an installation of the test's own."""
    copy = RepositoryCopy(tmp_path, settings, **installation_of(state_of(own_app).settings))

    def run(*arguments, last_statement=POLICY):
        head = head_of(TENANT_LINEAGE)
        number = f"{int(head) + 1:04d}"
        file = tmp_path / "migrations" / "tenant" / "versions" / f"{number}_see_sites.py"
        content = NEXT_MIGRATION.format(revision=number, head=head, last_statement=last_statement)
        file.write_text(content)
        return copy.flask(*arguments)

    return run


def test_a_migration_reaches_every_tier_and_every_row(own_app, run_next_migration):
    tiers = {"dedicated_database": 1, "own_schema": 2, "pooled_rows": 2}
    with own_app.app_context():
        tenants = [
            create_tenant(f"{tier.replace('_', '-')}-{number}", tier, tier=Tier(tier))
            for tier, many in tiers.items()
            for number in range(many)
        ]
        for tenant in tenants:
            with tenant_context(tenant.slug), transaction():
                insert_item(Site, {"name": tenant.slug}, ["id"])

    asked = run_next_migration("db", "current")
    assert asked.returncode == 0, asked.stderr
    failed = run_next_migration("db", "upgrade", last_statement="SELECT 1 / 0")
    assert failed.returncode == 1
    assert re.search(
        r"^Error: The command failed for the blank schema of database s_\w+ \(server default\):"
        r" DivisionByZero\.\nIt succeeded for 0 of 5 placements before\.",
        failed.stderr,
    )
    result = run_next_migration("db", "upgrade")
    assert result.returncode == 0, result.stderr
    with own_app.app_context():
        late = create_tenant("late-schema", "Late", tier=Tier.OWN_SCHEMA)

    for tenant in [*tenants, late]:
        schema = tenant.placement.schema
        (columns,) = ask_in(
            own_app,
            tenant,
            "SELECT count(*) FROM pg_attribute WHERE attrelid IN"
            " (%s::regclass, %s::regclass) AND attname IN ('seen', 'tenant_id') AND attnum > 0",
            f"{schema}.site",
            f"{schema}.visit",
        )
        assert columns == (3,)
        rows = ask_in(
            own_app, tenant, f"SELECT seen FROM {schema}.site WHERE tenant_id = %s", str(tenant.id)
        )
        assert rows == ([] if tenant is late else [("migrated",)])
        with own_app.app_context(), tenant_context(tenant.slug):
            assert db.session.scalar(text("SELECT count(*) FROM visit")) == 0
        is_pooled = tenant.placement.tier == Tier.POOLED_ROWS
        secured = ask_in(
            own_app,
            tenant,
            "SELECT DISTINCT relrowsecurity, relforcerowsecurity"
            " FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'"
            " AND relname <> 'alembic_version'",
            schema,
        )
        assert secured == [(is_pooled, is_pooled)]


@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS])
def test_a_migration_that_leaves_a_table_unprotected_is_rolled_back(
    own_app, run_next_migration, tier
):
    with own_app.app_context():
        tenant = create_tenant("somebody", "Somebody", tier=tier)

    upgraded = run_next_migration("db", "upgrade", last_statement="SELECT 1")
    created = run_next_migration(
        "tenants", "create", "another", "--name", "Another", last_statement="SELECT 1"
    )

    where = {
        Tier.DEDICATED_DATABASE: "the tenant somebody (server default, database",
        Tier.OWN_SCHEMA: "the blank schema of database",
        Tier.POOLED_ROWS: "the tenant somebody (server default, database",
    }[tier]
    assert upgraded.returncode == created.returncode == 1
    assert where in upgraded.stderr
    for result in (upgraded, created):
        assert "visit has no policy tenant_rows. Add this statement" in result.stderr
        assert POLICY in result.stderr
    schema = tenant.placement.schema
    assert ask_in(own_app, tenant, "SELECT to_regclass(%s)", f"{schema}.visit") == [(None,)]
    assert ask_in(own_app, tenant, f"SELECT version_num FROM {schema}.alembic_version") == [
        (head_of(TENANT_LINEAGE),)
    ]
    half_built = "SELECT datname FROM pg_database WHERE datname LIKE %s"
    assert ask(own_app, half_built, f"{state_of(own_app).settings.catalog_database}%building") == []
