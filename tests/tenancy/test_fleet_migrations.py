"""`flask db upgrade` over the placements of every tier, run as a process of its own."""

import pytest
from repository_copies import RepositoryCopy, installation_of
from sqlalchemy import text
from tenant_databases import ask, ask_in

from trially.database.rows import insert_item
from trially.database.session import db, transaction
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.protection import create_policy_sql
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision

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
    """Run `flask` in a copy with one more migration, on an installation of the test's own."""
    copy = RepositoryCopy(tmp_path, settings, **installation_of(state_of(own_app).settings))

    def run(*arguments, last_statement=POLICY):
        head = newest_revision(TENANT_LINEAGE)
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

    current = run_next_migration("db", "current")
    assert current.returncode == 0, current.stderr
    failed = run_next_migration("db", "upgrade", last_statement="SELECT 1 / 0")
    assert failed.returncode == 1
    assert failed.stderr.endswith(
        "Error: The migrations fail on an empty database of the server default, so no tenant was"
        " migrated. DivisionByZero (SQLSTATE 22012)\n"
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


def test_a_migration_that_leaves_a_table_unprotected_reaches_no_tenant(own_app, run_next_migration):
    with own_app.app_context():
        tenant = create_tenant("first", "First", tier=Tier.POOLED_ROWS)

    upgraded = run_next_migration("db", "upgrade", last_statement="SELECT 1")
    created = run_next_migration(
        "tenants", "create", "another", "--name", "Another", last_statement="SELECT 1"
    )

    assert upgraded.returncode == created.returncode == 1
    assert "so no tenant was migrated" in upgraded.stderr
    for result in (upgraded, created):
        assert "visit has no policy tenant_rows. Add this statement" in result.stderr
        assert POLICY in result.stderr
    schema = tenant.placement.schema
    assert ask_in(own_app, tenant, "SELECT to_regclass(%s)", f"{schema}.visit") == [(None,)]
    assert ask_in(own_app, tenant, f"SELECT version_num FROM {schema}.alembic_version") == [
        (newest_revision(TENANT_LINEAGE),)
    ]
    half_built = "SELECT datname FROM pg_database WHERE datname LIKE %s"
    assert ask(own_app, half_built, f"{state_of(own_app).settings.catalog_database}%building") == []
