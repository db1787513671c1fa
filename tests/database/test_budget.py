"""The connection budget is never exceeded, is shared fairly, and limits waiting."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError

from trially.database.budget import ConnectionBudget
from trially.database.budgeted_pool import BudgetedPool
from trially.database.connecting import connect
from trially.tenancy.servers.access import server_access

NAME = "budget-test"


@pytest.fixture
def url(app):
    with app.app_context():
        return server_access().admin_url


@pytest.fixture
def make_engine(url):
    engines = []

    def make(budget):
        engine = create_engine(
            url,
            poolclass=BudgetedPool,
            budget=budget,
            creator=lambda: connect(url, application_name=NAME),
        )
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def server_sees(url):
    """Return how many of this test's connections the server has."""
    raw = connect(url)

    def count():
        with raw.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (NAME,)
            )
            return cursor.fetchone()[0]

    yield count
    raw.close()


def ask(engine, seconds=0.0):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT 1 FROM pg_sleep(:s)"), {"s": seconds})


def test_many_engines_share_few_connections(make_engine, server_sees):
    budget = ConnectionBudget(8, deadline_seconds=30)
    engines = [make_engine(budget) for _ in range(60)]
    seen, is_over = [0], threading.Event()

    def watch():
        while not is_over.is_set():
            seen.append(server_sees())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(24) as threads:
            answers = list(threads.map(lambda n: ask(engines[n * 7 % 60]), range(600)))
    finally:
        is_over.set()
        watcher.join()

    assert answers == [1] * 600
    assert 1 < max(seen) <= 8
    assert budget.open_connections == budget.idle_connections <= 8


def test_a_pool_is_filled_as_far_as_the_budget_has_room(make_engine, server_sees):
    budget = ConnectionBudget(4, deadline_seconds=1)
    other, filled = make_engine(budget), make_engine(budget)
    ask(other)

    filled.pool.fill(2)
    filled.pool.fill(2)
    assert (len(filled.pool.idle), server_sees()) == (2, 3)
    filled.pool.fill(10)

    assert (len(other.pool.idle), len(filled.pool.idle), server_sees()) == (1, 3, 4)
    assert (ask(filled), budget.counts.misses, budget.open_connections) == (1, 1, 4)


def test_a_filled_pool_is_not_the_one_that_was_idle_longest(make_engine):
    budget = ConnectionBudget(2, deadline_seconds=1)
    filled, other, newcomer = make_engine(budget), make_engine(budget), make_engine(budget)
    ask(filled)
    ask(other)

    filled.pool.fill(1)
    ask(newcomer)

    assert [len(engine.pool.idle) for engine in (filled, other, newcomer)] == [1, 0, 1]


def test_a_connection_that_cannot_be_opened_leaves_its_room(url):
    budget = ConnectionBudget(2, deadline_seconds=1)
    nowhere = url.set(database="no_such_database")
    pool = create_engine(
        nowhere, poolclass=BudgetedPool, budget=budget, creator=lambda: connect(nowhere)
    ).pool

    with pytest.raises((OperationalError, psycopg2.Error)):
        pool.fill(2)

    assert budget.open_connections == 0


def test_an_idle_connection_is_reused(make_engine):
    budget = ConnectionBudget(2, deadline_seconds=1)
    engine = make_engine(budget)

    first, second = ask(engine), ask(engine)

    assert (first, second) == (1, 1)
    assert budget.counts.hits >= 1
    assert budget.open_connections == 1


def test_the_longest_idle_connection_is_evicted(make_engine):
    budget = ConnectionBudget(2, deadline_seconds=1)
    oldest, newer, newcomer = make_engine(budget), make_engine(budget), make_engine(budget)
    ask(oldest)
    ask(newer)

    ask(newcomer)

    assert [len(engine.pool.idle) for engine in (oldest, newer, newcomer)] == [0, 1, 1]


def test_work_in_turn_keeps_the_connections_of_the_first_tenants(make_engine):
    budget = ConnectionBudget(2, deadline_seconds=1)
    budget.closes_newest = True
    engines = [make_engine(budget) for _ in range(3)]
    for engine in engines:
        ask(engine)
    before = budget.counts.hits

    for engine in engines:
        ask(engine)

    # Without that, each of the three would have lost its connection before its next turn.
    assert budget.counts.hits > before
    assert budget.open_connections == 2


def test_waiting_ends_at_the_deadline(make_engine):
    budget = ConnectionBudget(1, deadline_seconds=0.2)
    busy, waiting = make_engine(budget), make_engine(budget)

    with busy.connect(), pytest.raises(CheckoutTimeoutError):
        ask(waiting)

    assert ask(waiting) == 1
    assert budget.open_connections == 1


def test_waiting_tenants_take_turns(make_engine):
    budget = ConnectionBudget(1, deadline_seconds=30)
    flooding, quiet = make_engine(budget), make_engine(budget)
    order = []

    def run(name, engine):
        ask(engine, 0.01)
        order.append(name)

    with ThreadPoolExecutor(32) as threads:
        with flooding.connect():
            futures = [threads.submit(run, "flooding", flooding) for _ in range(30)]
            while budget.counts.waits < 30:
                time.sleep(0.01)
            futures.append(threads.submit(run, "quiet", quiet))
            while budget.counts.waits < 31:
                time.sleep(0.01)
        for future in futures:
            future.result()

    assert order.index("quiet") <= 2
    assert Counter(order) == {"flooding": 30, "quiet": 1}


def test_tenants_that_share_an_engine_take_turns_too(url):
    budget, served = ConnectionBudget(1, deadline_seconds=30), threading.local()
    engine = create_engine(
        url,
        poolclass=BudgetedPool,
        budget=budget,
        queue_key=lambda: served.tenant,
        creator=lambda: connect(url, application_name=NAME),
    )
    order = []

    def run(tenant):
        served.tenant = tenant
        ask(engine, 0.01)
        order.append(tenant)

    served.tenant = "none"
    with ThreadPoolExecutor(32) as threads:
        with engine.connect():
            futures = [threads.submit(run, "flooding") for _ in range(30)]
            while budget.counts.waits < 30:
                time.sleep(0.01)
            futures.append(threads.submit(run, "quiet"))
            while budget.counts.waits < 31:
                time.sleep(0.01)
        for future in futures:
            future.result()
    engine.dispose()

    assert order.index("quiet") <= 2


def test_a_failed_connection_is_released_from_the_budget(url):
    budget = ConnectionBudget(1, deadline_seconds=1)
    nowhere = url.set(database="no_such_database")
    engine = create_engine(
        nowhere, poolclass=BudgetedPool, budget=budget, creator=lambda: connect(nowhere)
    )

    for _ in range(3):
        with pytest.raises(OperationalError):
            ask(engine)

    assert budget.open_connections == 0


def test_a_killed_connection_is_released_from_the_budget(make_engine, url):
    budget = ConnectionBudget(1, deadline_seconds=1)
    engine = make_engine(budget)
    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        raw = connect(url)
        with raw.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        raw.close()
        with pytest.raises((OperationalError, psycopg2.Error)):
            connection.execute(text("SELECT 1"))

    assert ask(engine) == 1
    assert budget.open_connections == 1


def test_disposing_closes_idle_connections_and_returned_ones(make_engine):
    budget = ConnectionBudget(4, deadline_seconds=1)
    engine = make_engine(budget)
    ask(engine)
    pool = engine.pool
    with engine.connect():
        ask(engine)
        engine.dispose()

    assert budget.open_connections == 0
    assert not pool.idle
