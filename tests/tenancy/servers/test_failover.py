import itertools
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from standbys import (
    ask,
    install_on,
    kill,
    restart,
    server_folder,
    start,
    start_standby,
    url_of,
    wait_until,
)

SERVED = frozenset({200, 201})


class Load:
    """Members who write and read until they are stopped, each in a thread of their own."""

    def __init__(self, clients):
        self.acknowledged: set[str] = set()
        self.refusals = []
        self._served = [0] * len(clients)
        self._is_over = Event()
        self._threads = [
            Thread(target=self._send, args=(number, client))
            for number, client in enumerate(clients)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_rounds(self, rounds):
        """Wait until each member has been served so many times from here on."""
        targets = [served + rounds for served in self._served]
        wait_until(lambda: all(map(int.__ge__, self._served, targets)))

    def _send(self, number, client):
        for count in itertools.count():
            if self._is_over.is_set():
                return
            mrn = f"{number}-{count}"
            written, read = client.add_patient(mrn), client.get("/patients?limit=1")
            if written.status_code == 201:
                self.acknowledged.add(mrn)
            answers = (written, read)
            self.refusals += [each for each in answers if each.status_code not in SERVED]
            self._served[number] += all(each.status_code in SERVED for each in answers)


def assert_refused_politely(load):
    assert all(
        each.status_code == 503 and int(each.headers["Retry-After"]) >= 1 for each in load.refusals
    ), [each.json for each in load.refusals]


def patients_in(server, tenant):
    rows = ask(server, "SELECT mrn FROM tenant.patient", database=tenant.placement.database)
    return {mrn for (mrn,) in rows}


@pytest.fixture
def folder() -> Iterator:
    with server_folder() as folder:
        yield folder


def test_pools_heal_after_a_restart_and_after_a_server_takes_no_writes(folder, settings):
    server = start(folder / "server")
    installation = install_on(server.url(), settings, folder)
    tenant = installation.make_tenant()
    clients = [installation.make_client(tenant) for _ in range(3)]

    with Load(clients) as load:
        load.wait_for_rounds(3)
        restart(folder / "server")
        load.wait_for_rounds(3)
        before = len(load.refusals)
        ask(server, "ALTER SYSTEM SET default_transaction_read_only = on")
        ask(server, "SELECT pg_reload_conf()")
        wait_until(lambda: len(load.refusals) > before)
        ask(server, "ALTER SYSTEM RESET default_transaction_read_only")
        ask(server, "SELECT pg_reload_conf()")
        load.wait_for_rounds(3)

    assert_refused_politely(load)
    assert patients_in(server, tenant) >= load.acknowledged


def test_a_promoted_standby_takes_over_and_no_acknowledged_write_is_lost(folder, settings):
    primary = start(folder / "primary", synchronous_commit="on")
    standby = start_standby(primary, folder / "standby")
    url = url_of(primary, standby, target_session_attrs="read-write")
    installation = install_on(url, settings, folder)
    tenant = installation.make_tenant()
    clients = [installation.make_client(tenant) for _ in range(4)]
    ask(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    ask(primary, "SELECT pg_reload_conf()")
    wait_until(lambda: ask(primary, "SELECT sync_state FROM pg_stat_replication") == [("sync",)])

    with Load(clients) as load:
        load.wait_for_rounds(3)
        ask(standby, "SELECT pg_promote()")
        kill(folder / "primary")
        load.wait_for_rounds(3)

    assert_refused_politely(load)
    assert len(load.acknowledged) >= 24
    assert patients_in(standby, tenant) >= load.acknowledged
