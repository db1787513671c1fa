from dataclasses import replace
from threading import Thread

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError
from tenant_databases import ask, placement_of

from trially.database import engines
from trially.database.engines import EngineRegistry, Limits, engine_registry
from trially.database.placement import enter_placement
from trially.database.session import db
from trially.tenancy.context import tenant_context


def test_engines_share_one_dialect_and_one_cache_of_statements(app, make_tenant):
    places = [placement_of(app, make_tenant()) for _ in range(2)]

    with app.app_context():
        ours, theirs = (engine_registry().engine_for(place) for place in places)

    assert ours is not theirs
    assert ours.dialect is theirs.dialect
    assert ours.get_execution_options() == theirs.get_execution_options()


@pytest.mark.parametrize("connections", [1, 3, 4, 5])
def test_an_engine_never_exceeds_its_budget(app, tenant, connections):
    place = placement_of(app, tenant)
    registry = EngineRegistry({}, Limits(connections, 0.01))

    with app.app_context():
        enter_placement(place)
        engine = registry.engine_for(place)
        opened = [engine.connect() for _ in range(connections)]
        with pytest.raises(CheckoutTimeoutError):
            engine.connect()
        for connection in opened:
            connection.close()
        registry.forget(place.bind_key)


def test_tenants_share_the_connections_of_a_server(app, make_tenant):
    places = [placement_of(app, make_tenant()) for _ in range(12)]
    registry = EngineRegistry({}, Limits(4, 5))

    for place in places * 2:
        with app.app_context():
            enter_placement(place)
            with registry.engine_for(place).connect() as connection:
                assert connection.scalar(text("SELECT current_database()")) == place.url.database

    (budget,) = registry.budgets().values()
    assert budget.open_connections == budget.idle_connections == 4
    for place in places:
        registry.forget(place.bind_key)
    assert budget.open_connections == 0


def test_the_oldest_engines_are_closed(app, monkeypatch, make_tenant):
    monkeypatch.setattr(engines, "ENGINES_KEPT", 2)
    places = [placement_of(app, make_tenant()) for _ in range(3)]
    engines_by_key = {}
    registry = EngineRegistry(engines_by_key, Limits(4, 5))

    registry.engine_for(places[0])
    registry.engine_for(places[1])
    registry.engine_for(places[0])
    registry.engine_for(places[2])

    assert set(engines_by_key) == {places[1].bind_key, places[2].bind_key}


def test_an_engine_closed_while_in_use_finishes_its_work(app, tenant):
    place = placement_of(app, tenant)
    registry = EngineRegistry({}, Limits(4, 5))

    with app.app_context():
        enter_placement(place)
        engine = registry.engine_for(place)
        with engine.connect() as connection:
            registry.forget(place.bind_key)
            assert connection.scalar(text("SELECT 1")) == 1

    left = ask(
        app, "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", tenant.placement.database
    )
    assert left[0][0] <= 1


def test_a_changed_url_is_another_engine(app, tenant):
    place = placement_of(app, tenant)
    registry = EngineRegistry({}, Limits(4, 5))
    first = registry.engine_for(place)

    moved = replace(place, url=place.url.set(query={"application_name": "other"}))

    assert registry.engine_for(place) is first
    assert registry.engine_for(moved) is not first


def test_forgetting_twice_is_harmless(app, tenant):
    place = placement_of(app, tenant)
    registry = EngineRegistry({}, Limits(4, 5))
    registry.engine_for(place)

    registry.forget(place.bind_key)
    registry.forget(place.bind_key)


def test_errors_of_a_tenants_engine_show_no_values(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        with pytest.raises(Exception, match="division") as refusal:
            db.session.execute(text("SELECT 1 / (:jane = 'Jane Roe')::int - 1"), {"jane": "canary"})
        db.session.rollback()

    assert "canary" not in str(refusal.value)


def test_a_missing_database_is_an_operational_error(app, tenant):
    place = placement_of(app, tenant)
    away = replace(place, url=place.url.set(database="t_nowhere"), bind_key="default/t_nowhere")

    with app.app_context():
        engine_registry().engine_for(place)
        enter_placement(away)
        with pytest.raises(OperationalError):
            db.session.execute(text("SELECT 1"))
        db.session.rollback()
        engine_registry().forget(away.bind_key)


def test_threads_share_a_tenants_engine(app, tenant):
    place = placement_of(app, tenant)
    registry = EngineRegistry({}, Limits(4, 5))
    returned = []
    threads = [Thread(target=lambda: returned.append(registry.engine_for(place))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, returned))) == 1
