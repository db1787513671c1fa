from threading import Thread

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from tenant_databases import access_of, ask

from trially.state import state_of
from trially.tenancy.catalog import Server
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.catalog_revision import CatalogBehindError, check_catalog
from trially.tenancy.schema.installing import install
from trially.tenancy.schema.lineages import CATALOG_LINEAGE
from trially.tenancy.servers.access import ServerAccess


def dispose(app):
    with app.app_context():
        control_engine().dispose()


def test_a_second_installation_changes_nothing(blank_app):
    other = blank_app()

    with other.app_context():
        with pytest.raises(CatalogBehindError):
            check_catalog()
        install()
        check_catalog()
        install()
        with Session(control_engine()) as session:
            assert [server.name for server in session.scalars(select(Server))] == ["default"]
        tenant = create_tenant("first", "First")

    assert tenant.status == "active"
    dispose(other)


def test_production_needs_no_more_than_the_catalogs_upgrade(blank_app):
    other = blank_app()
    upgrade = ("db", "--directory", str(CATALOG_LINEAGE), "upgrade")

    result = other.test_cli_runner().invoke(args=upgrade)

    assert result.exit_code == 0, result.output
    with other.app_context():
        check_catalog()
        tenant = create_tenant("first", "First")
        assert directory().find("first").tenant_id == tenant.id
    dispose(other)


def test_processes_may_install_at_once(blank_app):
    apps, failures = [blank_app() for _ in range(3)], []

    def run(app):
        try:
            with app.app_context():
                install()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [Thread(target=run, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with apps[0].app_context():
        check_catalog()


@pytest.mark.parametrize("state", ["absent", "empty", "behind"])
def test_a_catalog_that_is_behind_is_one_sentence_in_production(app, blank_app, state):
    other = blank_app(development=False, dev_issuer=False, issuers=("https://login.example",))
    name = state_of(other).settings.catalog_database
    if state != "absent":
        with other.app_context():
            install()
        change = (
            "DROP TABLE catalog.alembic_version"
            if state == "empty"
            else "UPDATE catalog.alembic_version SET version_num = '0000'"
        )
        ask(app, change, database=name)

    result = other.test_cli_runner().invoke(args=["tenants", "list"])

    assert result.exit_code == 1
    assert result.output == (
        "Error: The catalog is not at the revision that this version needs. Run "
        "`flask db --directory migrations/catalog upgrade`.\n"
    )
    dispose(other)


def test_an_unreachable_server_is_one_sentence(app, blank_app):
    other = blank_app()
    url = access_of(app).admin_url.set(database="nowhere")
    state_of(other).servers["default"] = ServerAccess("default", url, access_of(app).keys)

    result = other.test_cli_runner().invoke(args=["tenants", "list"])

    assert (result.exit_code, result.output) == (
        1,
        "Error: The database reported an error (ConnectionRefusedByServerError, SQLSTATE 3D000).\n",
    )
