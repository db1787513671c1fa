"""`flask db migrate` and `flask db revision`, as a developer runs them."""

from uuid import uuid4

import pytest
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import ops
from alembic.script import ScriptDirectory
from repository_copies import RepositoryCopy
from sqlalchemy import BigInteger, Column, Uuid
from tenant_databases import TIERS, access_of, ask, remove_installation

from trially.config import ROOT
from trially.state import state_of
from trially.tenancy.schema import migration_commands
from trially.tenancy.schema.autogenerate import protect_tables
from trially.tenancy.schema.lineages import alembic_config
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision

VISIT = '''

class Visit(Timestamped, Versioned, TenantModel):
    """A visit of a site."""

    __tablename__ = "visit"
    note: Mapped[str | None] = mapped_column(String(200))
'''

PROTECTION = """
    op.execute(
        "CREATE POLICY tenant_rows ON visit TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON visit"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
"""

PROTECTED = (
    "SELECT count(*) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " JOIN pg_policy ON polrelid = tgrelid"
    " WHERE relname = 'visit' AND tgname = 'grow_version' AND polname = 'tenant_rows'"
)


@pytest.fixture
def clone(app, settings, tmp_path):
    """A clone on a server where nothing is installed."""
    catalog = f"clone_{uuid4().hex[:8]}"
    url = access_of(app).admin_url.render_as_string(hide_password=False)
    yield RepositoryCopy(
        tmp_path, settings, TRIALLY_DATABASE_URL=url, TRIALLY_CATALOG_DATABASE=catalog
    )
    remove_installation(app, catalog)


def tenant_databases_of(app, clone):
    rows = ask(
        app,
        "SELECT datname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba"
        " WHERE rolname = %s AND NOT datistemplate AND datname <> %s",
        f"{clone.environment['TRIALLY_CATALOG_DATABASE']}_owner",
        clone.environment["TRIALLY_CATALOG_DATABASE"],
    )
    return [name for (name,) in rows]


def test_a_clone_writes_its_first_migration_at_once_and_whole(app, clone):
    """Neither the catalog nor a template exists; after the new migration there is no template."""
    number = f"{int(newest_revision(TENANT_LINEAGE)) + 1:04d}"
    model = clone.root / "trially" / "recruiting" / "sites" / "model.py"
    model.write_text(model.read_text() + VISIT)

    written = clone.flask("db", "migrate", "-m", "Add visits")

    assert written.returncode == 0, written.stderr
    file = clone.versions()[-1]
    assert file.name == f"{number}_add_visits.py"
    assert PROTECTION in file.read_text()
    for command in (("check",), ("format", "--check")):
        ruff = clone.python("-m", "ruff", *command, str(file))
        assert ruff.returncode == 0, ruff.stdout

    again = clone.flask("db", "migrate", "-m", "Add nothing")

    assert again.returncode == 0, again.stderr
    assert again.stdout == "No changes: the migrations match the models. No file was written.\n"
    assert clone.versions()[-1] == file

    for tier in TIERS:
        slug = tier.replace("_", "-")
        created = clone.flask("tenants", "create", slug, "--name", slug, "--tier", tier)
        assert created.returncode == 0, created.stderr
    for command in (("downgrade", "--yes"), ("upgrade",)):
        migrated = clone.flask("db", *command)
        assert migrated.returncode == 0, migrated.stderr
    for database in tenant_databases_of(app, clone):
        # A database of schemas has two: the tenant's and the blank one.
        (count,) = ask(app, PROTECTED, database=database)
        assert count[0] >= 1, database


@pytest.mark.parametrize("lineage", ["tenant", "catalog"])
def test_a_migration_by_hand_is_numbered(clone, lineage):
    directory = f"migrations/{lineage}"
    head = newest_revision(ROOT / directory)

    result = clone.flask("db", "revision", "--directory", directory, "-m", "Fill names.")

    assert result.returncode == 0, result.stderr
    file = clone.versions(lineage)[-1]
    assert file.name == f"{int(head) + 1:04d}_fill_names.py"
    content = file.read_text()
    assert content.startswith('"""Fill names."""\n\nfrom alembic import op\n')
    assert f'down_revision = "{head}"' in content
    assert content.count("    pass") == 2


CHECK = """
from trially.tenancy.schema.migration_files import check_migrations

check_migrations()
"""
"""What `make check` does, beside other things, in `tools.start_checks`."""


def test_a_migration_that_leaves_a_table_unprotected_is_found_and_refused(clone):
    head = newest_revision(TENANT_LINEAGE)
    number = f"{int(head) + 1:04d}"
    (clone.versions()[-1].parent / f"{number}_add_visits.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "{number}"\ndown_revision = "{head}"\n\n'
        "def upgrade():\n"
        '    op.create_table("visit", sa.Column("tenant_id", sa.Uuid()))\n'
    )

    checked = clone.python("-c", CHECK)
    created = clone.flask("tenants", "create", "acme", "--name", "Acme")

    assert checked.returncode == 1
    assert (
        f"{number}_add_visits.py creates the table visit without the policy"
        " tenant_rows. Add this statement to its upgrade(): CREATE POLICY tenant_rows ON visit"
    ) in checked.stderr
    assert created.returncode == 1
    assert "visit" in created.stderr
    assert "CREATE POLICY tenant_rows" in created.stderr


def render(*operations):
    """Return what a migration with these operations does in its upgrade and its downgrade."""
    upgrade = ops.UpgradeOps(list(operations))
    script = ops.MigrationScript("0005", upgrade, upgrade.reverse())
    context = MigrationContext.configure(dialect_name="postgresql")
    protect_tables(context, "0004", [script])
    return tuple(
        [
            line.strip().removeprefix('"').removesuffix('"').replace("\\", "")
            for line in render_python_code(each, migration_context=context).splitlines()
            if "TRIGGER" in line or "POLICY" in line or "_column" in line
        ]
        for each in (script.upgrade_ops, script.downgrade_ops)
    )


CREATE_TRIGGER = "CREATE TRIGGER grow_version BEFORE UPDATE ON site"
DROP_TRIGGER = "DROP TRIGGER grow_version ON site"
ADD_COLUMN = "op.add_column('site', sa.Column('version', sa.BigInteger(), nullable=True))"
DROP_COLUMN = "op.drop_column('site', 'version')"


def test_a_column_of_versions_comes_and_goes_with_its_trigger():
    adding = ops.AddColumnOp("site", Column("version", BigInteger()))
    dropping = adding.reverse()

    assert render(ops.ModifyTableOps("site", [adding])) == (
        [ADD_COLUMN, CREATE_TRIGGER],
        [DROP_TRIGGER, DROP_COLUMN],
    )
    assert render(ops.ModifyTableOps("site", [dropping])) == (
        [DROP_TRIGGER, DROP_COLUMN],
        [ADD_COLUMN, CREATE_TRIGGER],
    )


@pytest.mark.parametrize(
    ("columns", "protection"),
    [
        (["tenant_id"], ['CREATE POLICY tenant_rows ON "order" TO PUBLIC']),
        (
            ["tenant_id", "version"],
            [
                'CREATE POLICY tenant_rows ON "order" TO PUBLIC',
                'CREATE TRIGGER grow_version BEFORE UPDATE ON "order"',
            ],
        ),
        (["id"], []),
    ],
)
def test_a_table_comes_with_what_its_columns_need(columns, protection):
    created = ops.CreateTableOp("order", [Column(name, Uuid()) for name in columns])
    dropped = ops.DropTableOp("order", _reverse=created)

    assert render(created) == (protection, [])
    assert render(dropped) == ([], protection)


@pytest.mark.parametrize("command", [("migrate", "-m", "x"), ("upgrade",), ("current",)])
def test_nothing_is_installed_in_production(app, blank_app, command):
    other = blank_app(development=False, dev_issuer=False, issuers=("https://login.example",))

    result = other.test_cli_runner().invoke(args=["db", *command])

    assert (result.exit_code, result.output) == (
        1,
        (
            "Error: The catalog is not at the revision that this version needs. Run "
            "`flask db --directory migrations/catalog upgrade`.\n"
        ),
    )
    name = state_of(other).settings.catalog_database
    assert ask(app, "SELECT 1 FROM pg_database WHERE datname = %s", name) == []


@pytest.mark.parametrize("command", ["heads", "history", "branches"])
def test_commands_that_only_read_files_need_no_catalog(app, blank_app, command):
    other = blank_app(development=False, dev_issuer=False, issuers=("https://login.example",))

    result = other.test_cli_runner().invoke(args=["db", command])

    assert result.exit_code == 0, result.output


def test_without_ruff_a_migration_is_written_and_not_formatted(app, monkeypatch):
    config = alembic_config(TENANT_LINEAGE)
    assert len(ScriptDirectory.from_config(config).hooks) == 2
    monkeypatch.setattr(migration_commands, "find_spec", lambda _name: None)

    with app.app_context():
        prepared = migration_commands._prepare(config)

    assert ScriptDirectory.from_config(prepared).hooks == []
