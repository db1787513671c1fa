"""An administrator that is no superuser drops a database that autovacuum is working in."""

import time

import pytest
from standbys import ask, install_on, server_folder, start

from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.schema.databases import (
    create_closed_database,
    database_exists,
    drop_database,
    open_database,
)
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

NAME = "vacuumed"
BUSY = {
    "autovacuum_naptime": "1",
    "autovacuum_vacuum_cost_delay": "100",
    "autovacuum_vacuum_cost_limit": "1",
}
"""On a server of its own: on the shared one, autovacuum has hundreds of databases to visit."""

WORKERS = (
    f"SELECT pid FROM pg_stat_activity WHERE datname = '{NAME}'"
    " AND backend_type = 'autovacuum worker'"
)


@pytest.fixture
def server():
    with server_folder() as folder:
        yield start(folder / "server", **BUSY)


@pytest.fixture
def plain_app(server, settings):
    """An app whose administrator may create roles and databases, and nothing else."""
    ask(server, "CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'plain'")
    ask(server, "GRANT CONNECT ON DATABASE postgres TO boss")
    url = server.url().set(username="boss", password="plain")
    app = install_on(url, settings, server.data_directory.parent.parent).app
    with app.app_context():
        yield app
        control_engine().dispose()


def wait_for_worker(server):
    deadline = time.monotonic() + 60
    while not ask(server, WORKERS):
        assert time.monotonic() < deadline, "Autovacuum did not begin."
        time.sleep(0.05)


def test_a_database_is_dropped_while_autovacuum_works_in_it(plain_app, server):
    with server_access().administer() as raw:
        create_closed_database(raw, NAME, "template0")
        open_database(raw, NAME)
        with server_access().administer(NAME) as inside:
            execute(inside, "CREATE TABLE t AS SELECT generate_series(1, 200000) AS n")
            execute(inside, "DELETE FROM t")
        wait_for_worker(server)

        drop_database(raw, NAME)

        assert not database_exists(raw, NAME)
