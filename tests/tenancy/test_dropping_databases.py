"""An administrator that is no superuser drops a database that autovacuum is working in."""

import time

from plain_fleets import plain_fleet
from tenant_databases import ask

from trially.tenancy.schema.databases import create_closed_database, drop_database, open_database
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

__all__ = ["plain_fleet"]

NAME = "vacuumed"
BUSY = {
    "autovacuum_naptime": 1,
    "autovacuum_max_workers": 8,
    "autovacuum_vacuum_cost_delay": 100,
    "autovacuum_vacuum_cost_limit": 1,
}
WORKERS = (
    f"SELECT pid FROM pg_stat_activity WHERE datname = '{NAME}'"
    " AND backend_type = 'autovacuum worker'"
)


def wait_for_worker(app):
    deadline = time.monotonic() + 60
    while not ask(app, WORKERS):
        assert time.monotonic() < deadline, "Autovacuum did not begin."
        time.sleep(0.05)


def test_a_database_is_dropped_while_autovacuum_works_in_it(plain_fleet, app):
    for setting, value in BUSY.items():
        ask(app, f"ALTER SYSTEM SET {setting} = {value}")
    ask(app, "SELECT pg_reload_conf()")
    try:
        with plain_fleet.app.app_context(), server_access().administer() as raw:
            create_closed_database(raw, NAME, "template0")
            open_database(raw, NAME)
            with server_access().administer(NAME) as inside:
                execute(inside, "CREATE TABLE t AS SELECT generate_series(1, 200000) AS n")
                execute(inside, "DELETE FROM t")
            wait_for_worker(app)

            drop_database(raw, NAME)
    finally:
        for setting in BUSY:
            ask(app, f"ALTER SYSTEM RESET {setting}")
        ask(app, "SELECT pg_reload_conf()")

    assert ask(app, "SELECT FROM pg_database WHERE datname = %s", NAME) == []
