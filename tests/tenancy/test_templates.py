from shutil import copytree
from threading import Thread

import pytest
from tenant_databases import access_of, ask

from trially.tenancy.schema import templates
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision
from trially.tenancy.schema.templates import template_database, template_name
from trially.tenancy.servers.connections import execute

NEXT = """
from alembic import op

revision, down_revision = "{revision}", "{head}"
branch_labels = depends_on = None


def upgrade():
    op.execute("ALTER TABLE site ADD COLUMN seen_next text")
"""


@pytest.fixture
def another_version(monkeypatch):
    """Replace the fingerprint of the migrations, as a new version would."""

    def replace(fingerprint):
        monkeypatch.setattr(templates, "fingerprint_of", lambda _lineage: fingerprint)

    return replace


@pytest.fixture
def built(app, tenant):
    """The name of the current template."""
    with app.app_context():
        yield template_name()
        # Later tests use this template.
        template_database(access_of(app))


def template_databases(app):
    rows = ask(
        app,
        "SELECT datname, datistemplate, datallowconn FROM pg_database"
        " WHERE starts_with(datname, 'trially_catalog_template')",
    )
    return {name: (is_template, is_open) for name, is_template, is_open in rows}


def test_one_template_exists_and_refuses_connections(app, built):
    assert template_databases(app) == {built: (True, False)}


def test_another_migration_creates_another_template_and_drops_the_old_one(
    app, built, make_tenant, another_version, monkeypatch
):
    another_version("other")
    make_tenant()

    with app.app_context():
        assert template_name() != built
        assert template_databases(app) == {template_name(): (True, False)}
    monkeypatch.undo()


def test_a_new_migration_is_applied_to_a_copy_of_the_template_before(
    app, built, tmp_path, monkeypatch
):
    """A marker in the old template shows where the new one comes from."""
    lineage = tmp_path / "tenant"
    copytree(TENANT_LINEAGE, lineage)
    head = newest_revision(lineage)
    script = NEXT.format(revision=f"{int(head) + 1:04d}", head=head)
    (lineage / "versions" / f"{int(head) + 1:04d}_next.py").write_text(script)
    ask(app, f"ALTER DATABASE {built} ALLOW_CONNECTIONS true")
    ask(app, "CREATE TABLE trially.marker ()", database=built)
    ask(app, f"ALTER DATABASE {built} ALLOW_CONNECTIONS false")
    monkeypatch.setattr(templates, "TENANT_LINEAGE", lineage)

    with app.app_context():
        name = template_database(access_of(app))

    assert template_databases(app) == {name: (True, False)}
    ask(app, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    found = ask(
        app,
        "SELECT to_regclass('trially.marker') IS NOT NULL, version_num,"
        " (SELECT count(*) FROM pg_attribute WHERE attname = 'seen_next') FROM"
        " tenant.alembic_version",
        database=name,
    )
    assert found == [(True, f"{int(head) + 1:04d}", 1)]
    monkeypatch.undo()


def test_another_guard_needs_another_template(app, built, monkeypatch):
    monkeypatch.setattr(templates, "GUARD_DDL", templates.GUARD_DDL + "-- other")

    with app.app_context():
        assert template_name() != built
    monkeypatch.undo()


def test_building_a_template_releases_its_lock(app, built, another_version, monkeypatch):
    another_version("third")

    with app.app_context():
        template_database(access_of(app))

    assert ask(app, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    monkeypatch.undo()


def test_a_half_built_template_of_a_killed_process_is_replaced(
    app, built, another_version, monkeypatch
):
    ask(app, "CREATE DATABASE trially_catalog_template_building")
    another_version("fourth")

    with app.app_context():
        name = template_database(access_of(app))

    assert template_databases(app) == {name: (True, False)}
    monkeypatch.undo()


def test_a_failed_build_leaves_no_database(app, built, another_version, monkeypatch):
    another_version("fifth")

    def fail(*_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr("trially.tenancy.schema.lineages.run_upgrade", fail)
    with app.app_context(), pytest.raises(ZeroDivisionError):
        template_database(access_of(app))

    assert set(template_databases(app)) == {built}
    monkeypatch.undo()


def test_two_processes_build_one_template(app, built, another_version, monkeypatch):
    another_version("sixth")
    names = []

    def build():
        with app.app_context():
            names.append(template_database(access_of(app)))

    threads = [Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(names) == 2
    assert set(template_databases(app)) == set(names)
    monkeypatch.undo()


def test_a_kept_connection_that_the_server_has_closed_is_replaced(app):
    access = access_of(app)
    with access.administer() as raw:
        (pid,) = execute(raw, "SELECT pg_backend_pid()")[0]
    ask(app, "SELECT pg_terminate_backend(%s, 5000)", pid, database="trially_catalog")

    assert ask(app, "SELECT 1") == [(1,)]
