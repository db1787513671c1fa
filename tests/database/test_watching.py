"""Calls to a silent server end: at the deadline, or when the server is found not to run them."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg2
import pytest
from proxies import Proxy, running_proxy
from sqlalchemy import text
from tenant_databases import placement_of

from trially.database import watching
from trially.database.connecting import ConnectTimeoutError, Login, connect
from trially.database.engines import EngineRegistry, Limits, Server
from trially.database.placement import enter_placement
from trially.database.probing import ask_about
from trially.database.watching import (
    DeadlineExceededError,
    SilentServerError,
    WatchedConnection,
)
from trially.request_state import request_state
from trially.tenancy.servers.access import server_access


@pytest.fixture
def proxy(app):
    with app.app_context():
        query = server_access().admin_url.query
    with running_proxy(f"{query['host']}/.s.PGSQL.{query['port']}") as running:
        yield running


@pytest.fixture
def url(app, proxy, tenant):
    return placement_of(app, tenant).url.set(host="127.0.0.1", port=proxy.port, query={})


def run(raw: WatchedConnection, sql: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(sql)


CALLS = {
    "a statement": lambda raw: run(raw, "SELECT 1"),
    "many statements": lambda raw: raw.cursor().executemany("SELECT %s", [(1,), (2,)]),
    "a function": lambda raw: raw.cursor().callproc("now"),
    "COPY": lambda raw: raw.cursor().copy_expert("COPY (SELECT 1) TO STDOUT", io.StringIO()),
    "COMMIT": lambda raw: raw.commit(),
    "ROLLBACK": lambda raw: raw.rollback(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("new_ones", [True, False], ids=["all frozen", "only old ones frozen"])
def test_no_call_hangs_on_a_frozen_connection(proxy: Proxy, url, call, new_ones) -> None:
    raw = connect(url)
    raw.autocommit = False
    raw.probe_seconds = 2
    run(raw, "SELECT 1")
    proxy.freeze(new_ones=new_ones)

    started = time.monotonic()
    with pytest.raises(SilentServerError):
        call(raw)

    assert time.monotonic() - started < 10
    raw.close()


def test_a_command_waits_for_a_server_that_is_slow_to_accept_connections(proxy, url) -> None:
    raw = connect(url)
    run(raw, "SELECT 1")
    proxy.freeze(new_ones=True)
    thawing = threading.Timer(5, proxy.thaw)
    thawing.start()

    run(raw, "SELECT 1")

    thawing.join()
    raw.close()


def test_a_statement_that_the_server_runs_is_waited_for(url) -> None:
    raw = connect(url)
    started = time.monotonic()
    run(raw, "SELECT pg_sleep(3.5)")
    assert time.monotonic() - started >= 3.5
    raw.close()


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_statement_whose_answer_is_not_read_yet_is_waited_for(url, is_answered: bool) -> None:
    raw, other = connect(url), connect(url)
    run(raw, "LISTEN said")
    if is_answered:
        run(other, "NOTIFY said")
        while not raw.has_answer():
            time.sleep(0.01)
    since = raw.waiting_since = time.monotonic()

    ask_about([(raw, since)])

    assert (raw.cut_by is None) is is_answered
    raw.waiting_since = None
    if is_answered:
        run(raw, "SELECT 1")


def test_a_statement_that_ends_while_the_server_is_asked_keeps_its_session(url) -> None:
    raw = connect(url)
    ended_before = time.monotonic()

    ask_about([(raw, ended_before)])

    run(raw, "SELECT 1")
    assert raw.cut_by is None


def test_a_statement_ends_at_its_deadline_even_if_the_server_runs_it(url) -> None:
    raw = connect(url)
    raw.deadline = time.monotonic() + 0.5
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        run(raw, "SELECT pg_sleep(60)")
    assert time.monotonic() - started < 10
    raw.close()


def test_a_server_that_does_not_complete_the_handshake_is_given_up(proxy: Proxy, url) -> None:
    proxy.freeze(new_ones=True)
    started = time.monotonic()
    with pytest.raises(psycopg2.OperationalError, match="timeout"):
        connect(url)
    assert time.monotonic() - started < 10


def test_idle_connections_are_dropped_when_one_of_their_server_is_dead(
    app, proxy: Proxy, url, tenant
) -> None:
    place = replace(placement_of(app, tenant), url=url)
    registry = EngineRegistry({}, Limits(8, 5))

    def ask(_number: int = 0) -> float:
        with app.app_context():
            enter_placement(place)
            started = time.monotonic()
            with registry.engine_for(place).connect() as connection:
                connection.execute(text("SELECT pg_sleep(0.2)"))
            return time.monotonic() - started

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(ask, range(6)))
    proxy.freeze(new_ones=False)
    with pytest.raises(Exception, match="does not answer"):
        ask()

    with ThreadPoolExecutor(6) as threads:
        assert max(threads.map(ask, range(6))) < watching.STALL_SECONDS + 0.2
    registry.forget(place.bind_key)


def test_while_a_server_is_silent_further_requests_fail_at_once(
    app, proxy: Proxy, url, tenant
) -> None:
    place = replace(placement_of(app, tenant), url=url)
    registry = EngineRegistry({}, Limits(8, 5))
    with app.app_context():
        enter_placement(place)
        engine = registry.engine_for(place)
        engine.connect().close()
        proxy.freeze(new_ones=True)
        with pytest.raises(Exception, match="does not answer"):
            engine.connect().execute(text("SELECT 1"))

        started = time.monotonic()
        for _ in range(20):
            with pytest.raises(Exception, match="does not answer"):
                engine.connect()
        assert time.monotonic() - started < 2

        proxy.thaw()
        recovered = started + 10
        while time.monotonic() < recovered:
            try:
                engine.connect().close()
                break
            except Exception:  # noqa: BLE001
                time.sleep(0.1)
        assert time.monotonic() < recovered
    registry.forget(place.bind_key)


def test_a_new_connection_to_a_silent_replica_is_given_up_soon(app, proxy: Proxy, url) -> None:
    replica = Server(Limits(8, 5), is_replica=True)
    patient = Login(url.update_query_dict({"connect_timeout": "60"}))
    proxy.freeze(new_ones=True)

    with pytest.raises(ConnectTimeoutError):
        replica.open_connection(patient)

    assert replica.health.is_silent
    proxy.thaw()
    for thread in threading.enumerate():
        if thread.name == "connect":
            thread.join(10)
            assert not thread.is_alive()


def test_the_deadline_of_a_request_is_that_of_its_connection(app, url, tenant) -> None:
    place = replace(placement_of(app, tenant), url=url)
    registry = EngineRegistry({}, Limits(8, 5))
    with app.app_context():
        enter_placement(place)
        request_state().deadline = time.monotonic() + 7
        with registry.engine_for(place).connect() as connection:
            connection.execute(text("SELECT 1"))
            raw = connection.connection.driver_connection
            assert raw.deadline == request_state().deadline
        assert raw.deadline is None
    registry.forget(place.bind_key)
