"""PostgreSQL's own limits of connections make requests wait, not fail."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tenant_databases import ask, placement_of

from trially.database.engines import EngineRegistry, Limits
from trially.database.placement import Placement, enter_placement
from trially.tenancy.catalog import Tenant


@pytest.fixture
def place(app: Flask, tenant: Tenant) -> Placement:
    ask(app, f"ALTER ROLE {tenant.placement.role} CONNECTION LIMIT 2")
    return placement_of(app, tenant)


def query(app: Flask, registry: EngineRegistry, place: Placement, seconds: float = 0.05) -> Any:
    with app.app_context():
        enter_placement(place)
        with registry.engine_for(place).connect() as connection:
            return connection.scalar(text(f"SELECT 1 FROM pg_sleep({seconds})"))


def test_requests_above_the_limit_of_a_role_wait_for_its_connections(
    app: Flask, place: Placement
) -> None:
    registry = EngineRegistry({}, Limits(64, 10))
    query(app, registry, place)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: query(app, registry, place), range(40)))

    assert answers == [1] * 40
    (budget,) = registry.budgets().values()
    assert budget.open_connections <= 2
    assert budget.counts.limit_waits
    registry.forget(place.bind_key)


def test_a_process_gives_idle_connections_back_to_the_others(app: Flask, place: Placement) -> None:
    idle, hot = EngineRegistry({}, Limits(64, 10, 1)), EngineRegistry({}, Limits(64, 20, 1))
    query(app, idle, place)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: query(app, idle, place, 0.3), range(2)))

    assert query(app, hot, place) == 1

    (budget,) = idle.budgets().values()
    deadline = time.monotonic() + 20
    while budget.open_connections and time.monotonic() < deadline:
        time.sleep(0.1)
    assert budget.open_connections == 0
    assert budget.counts.expirations == 2
    hot.forget(place.bind_key)


def test_a_request_that_gets_no_connection_in_time_fails_with_the_sqlstate(
    app: Flask, place: Placement
) -> None:
    registry, other = EngineRegistry({}, Limits(64, 0.5)), EngineRegistry({}, Limits(64, 0.5))
    query(app, registry, place)
    with app.app_context():
        enter_placement(place)
        held = [other.engine_for(place).connect() for _ in range(1)]
        engine = registry.engine_for(place)
        held += [engine.connect()]
        with pytest.raises(OperationalError) as refusal:
            engine.connect()
        for each in held:
            each.close()

    assert refusal.value.orig.pgcode == "53300"
    (budget,) = registry.budgets().values()
    assert budget.open_connections == 1
    for each in (registry, other):
        each.forget(place.bind_key)
