from threading import Thread

import pytest
from tenant_databases import access_of, ask

from trially.tenancy.schema import templates
from trially.tenancy.schema.templates import template_database, template_name
from trially.tenancy.servers.connections import execute


@pytest.fixture
def another_version(monkeypatch):
    """Pretend that the migrations are others."""

    def pretend(fingerprint):
        monkeypatch.setattr(templates, "fingerprint_of", lambda _lineage: fingerprint)

    return pretend


@pytest.fixture
def built(app, tenant):
    """The name of the template as it is."""
    with app.app_context():
        yield template_name()
        # Other tests go on with it.
        template_database(access_of(app))


def template_databases(app):
    rows = ask(
        app,
        "SELECT datname, datistemplate, datallowconn FROM pg_database"
        " WHERE starts_with(datname, 'trially_catalog_template')",
    )
    return {name: (is_template, is_open) for name, is_template, is_open in rows}


def test_there_is_one_template_and_nobody_may_connect(app, built):
    assert template_databases(app) == {built: (True, False)}


def test_another_migration_makes_another_template_and_drops_the_old(
    app, built, make_tenant, another_version, monkeypatch
):
    another_version("other")
    make_tenant()

    with app.app_context():
        assert template_name() != built
        assert template_databases(app) == {template_name(): (True, False)}
    monkeypatch.undo()


def test_another_guard_makes_another_template(app, built, monkeypatch):
    monkeypatch.setattr(templates, "GUARD_DDL", templates.GUARD_DDL + "-- other")

    with app.app_context():
        assert template_name() != built
    monkeypatch.undo()


def test_no_lock_is_left_when_a_template_has_been_built(app, built, another_version, monkeypatch):
    another_version("third")

    with app.app_context():
        template_database(access_of(app))

    assert ask(app, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    monkeypatch.undo()


def test_a_template_left_half_built_is_in_nobodys_way(app, built, another_version, monkeypatch):
    ask(app, "CREATE DATABASE trially_catalog_template_building")
    another_version("fourth")

    with app.app_context():
        name = template_database(access_of(app))

    assert template_databases(app) == {name: (True, False)}
    monkeypatch.undo()


def test_a_template_that_cannot_be_built_leaves_nothing(app, built, another_version, monkeypatch):
    another_version("fifth")

    def fail(*_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(templates, "run_upgrade", fail)
    with app.app_context(), pytest.raises(ZeroDivisionError):
        template_database(access_of(app))

    assert set(template_databases(app)) == {built}
    monkeypatch.undo()


def test_two_that_need_a_template_build_one(app, built, another_version, monkeypatch):
    another_version("sixth")
    found = []

    def build():
        with app.app_context():
            found.append(template_database(access_of(app)))

    threads = [Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 2
    assert set(template_databases(app)) == set(found)
    monkeypatch.undo()


def test_a_kept_connection_that_the_server_has_closed_is_replaced(app):
    access = access_of(app)
    with access.administer() as raw:
        (pid,) = execute(raw, "SELECT pg_backend_pid()")[0]
    ask(app, "SELECT pg_terminate_backend(%s, 5000)", pid, database="trially_catalog")

    assert ask(app, "SELECT 1") == [(1,)]
