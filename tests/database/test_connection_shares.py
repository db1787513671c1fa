"""How many connections a process keeps to a server, if no setting says so."""

from dataclasses import replace

import pytest
from flask import Flask
from members import MakeTenant
from sqlalchemy import text
from tenant_databases import ask, placement_of

from trially.database.connection_shares import MOST, connections_of_process, share_of_process
from trially.database.engines import EngineRegistry, Limits
from trially.database.placement import enter_placement
from trially.state import state_of


@pytest.mark.parametrize(
    ("accepted", "processes", "threads", "share"),
    [(97, 2, 8, 38), (297, 2, 8, 118), (97, 40, 8, 8), (10_000, 2, 8, MOST)],
)
def test_processes_leave_a_fifth_but_each_thread_has_one(
    accepted: int, processes: int, threads: int, share: int
) -> None:
    assert share_of_process(accepted, processes, threads) == share


def test_a_process_keeps_its_share_of_what_the_server_accepts(
    app: Flask, make_tenant: MakeTenant
) -> None:
    place = placement_of(app, make_tenant())
    [(most, reserved)] = ask(
        app,
        "SELECT current_setting('max_connections')::int,"
        " current_setting('superuser_reserved_connections')::int",
    )
    registry = EngineRegistry({}, Limits(None, 5, processes=3, threads=2))

    with app.app_context():
        enter_placement(place)
        with registry.engine_for(place).connect() as connection:
            connection.execute(text("SELECT 1"))

    (budget,) = registry.budgets().values()
    assert budget.most == share_of_process(most - reserved, 3, 2)
    registry.forget(place.bind_key)


def test_a_setting_decides(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        state = state_of(app)
        monkeypatch.setattr(state, "settings", replace(state.settings, connections_per_server=7))
        assert connections_of_process(1_000) == 7
        monkeypatch.setattr(state, "settings", replace(state.settings, connections_per_server=None))
        assert connections_of_process(None) == 64
