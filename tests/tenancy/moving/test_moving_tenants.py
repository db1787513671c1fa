"""A tenant moves between tiers and servers while it works, and back."""

import datetime as dt
import itertools
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant
from moved_tenants import contents, left_behind, placements_of, writable_sides

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_back, move_tenant

TIERS = (Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS)
PAIRS = list(itertools.permutations(TIERS, 2))
BORN = dt.date(1930, 1, 1)
BETWEEN_WRITES = 0.02
"""Seconds. The writers and the mover share one interpreter here, and the mover has to keep up."""

OPTIONS = MoveOptions(max_pause=3.0, give_up_seconds=120)


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_a_tenant_moves_while_it_is_written_and_nothing_is_lost(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    here: Tier,
    there: Tier,
) -> None:
    tenant = make_tenant(here)
    member = as_member(tenant)
    for number in range(20):
        make_patient(member, mrn=f"before {number}")
    stop = Event()
    written: list[str] = []

    def write(worker: int) -> list[Any]:
        refused: list[Any] = []
        own = as_member(tenant)
        for number in itertools.count():
            if stop.wait(BETWEEN_WRITES):
                return refused
            answer = own.post(
                "/patients",
                json={
                    "mrn": f"{worker} {number}",
                    "given_name": f"A{worker}-{number}",
                    "family_name": f"B{worker}-{number}",
                    "birth_date": str(BORN + dt.timedelta(days=(97 * number + worker) % 30_000)),
                    "sex": "female",
                },
            )
            if answer.status_code == 201:
                written.append(answer.json["id"])
            else:
                refused.append((answer.status_code, answer.json))
        return refused

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(4)]
        try:
            with app.app_context():
                moved = move_tenant(tenant.slug, there, None, OPTIONS)
                back = move_back(tenant.slug, OPTIONS)
        finally:
            stop.set()
        refused = [each for writer in writers for each in writer.result()]

    assert refused == []
    for each in written:
        assert member.get(f"/patients/{each}").status_code == 200
    for result in (moved.parameters["result"], back.parameters["result"]):
        assert result["rows"] + result["applied_rows"] > 0
        assert result["pause_ms"] > 0
    active, former = placements_of(app, tenant.id)
    assert (active.tier, former.tier) == (here, there)
    assert [each.id for each in writable_sides(app, tenant.id)] == [active.id]
    assert left_behind(app, tenant.id) == []
    assert len(contents(app, active)["patient"]) == 20 + len(written)
