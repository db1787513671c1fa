"""Moves that even out servers, in made-up fleets."""

import random
from functools import partial
from typing import Any

import pytest
from made_up_fleets import DEDICATED, GIB, POOLED, SCHEMA, Checks, fleet, server, tenant

from trially.advice.checking import Chosen, choose_moves
from trially.advice.evening_out import Measure, compare, left_out, propose_even
from trially.advice.fleet import Fleet
from trially.tenancy.catalog_choices import Tier


def plan(made_up: Fleet, *measures: Measure, most: int = 50) -> Chosen:
    by = measures or tuple(Measure)
    return choose_moves(made_up, partial(propose_even, measures=by), most, Checks())


def moves(chosen: Chosen) -> list[tuple[str, str]]:
    return [(each.candidate.tenant.slug, each.candidate.server) for each in chosen.advised]


@pytest.mark.parametrize(
    ("measure", "values"),
    [
        (Measure.SIZE, {"stored_bytes": 10 * GIB}),
        (Measure.LOAD, {"load": 0.5}),
        (Measure.CONNECTIONS, {"connections": 20}),
    ],
)
def test_half_of_the_tenants_move_to_an_empty_server(
    measure: Measure, values: dict[str, Any]
) -> None:
    tenants = [tenant(number, **values) for number in range(1, 5)]

    chosen = plan(fleet(tenants, [server("one", connections=0), server("two", connections=0)]))

    assert moves(chosen) == [("tenant-1", "two"), ("tenant-2", "two")]
    [[compared]] = compare(chosen.fleet)
    assert compared.measure is measure
    assert compared.of_even("one") == compared.of_even("two") == 1


def test_a_larger_server_gets_more_if_all_say_how_many_tenants_they_take() -> None:
    tenants = [tenant(number, stored_bytes=GIB) for number in range(1, 9)]
    with_capacity = [server("one", 8, capacity=100), server("two", capacity=300)]
    one_without = [server("one", 8, capacity=100), server("two")]

    assert len(moves(plan(fleet(tenants, with_capacity)))) == 6
    assert len(moves(plan(fleet(tenants, one_without)))) == 4


def test_servers_that_are_nearly_even_are_left_alone() -> None:
    tenants = [
        tenant(1, stored_bytes=11 * GIB),
        *(tenant(number, stored_bytes=GIB) for number in range(2, 4)),
        tenant(4, stored_bytes=10 * GIB, server="two"),
    ]

    assert moves(plan(fleet(tenants, [server("one"), server("two")]))) == []


def test_a_tenant_that_is_larger_than_the_difference_stays() -> None:
    tenants = [tenant(1, stored_bytes=30 * GIB), tenant(2, stored_bytes=GIB, server="two")]

    assert moves(plan(fleet(tenants, [server("one"), server("two")]))) == []


@pytest.mark.parametrize(
    ("tenant_change", "server_change"),
    [
        ({"stays": "a legal hold is on it"}, {}),
        ({"tier": Tier.SILO}, {}),
        ({"plan_tiers": [POOLED]}, {}),
        ({"tier": POOLED, "stored_bytes": 2 * GIB}, {}),
        ({"region": "eu"}, {"region": None}),
        ({}, {"region": "us"}),
        ({}, {"is_draining": True}),
        ({}, {"is_reachable": False}),
        ({}, {"tiers": ["pooled_rows"]}),
        ({}, {"tenants": 3, "capacity": 3}),
        ({}, {"connections": 85, "most_connections": 100}),
        ({}, {"stored_bytes": 85 * GIB, "disk_bytes": 100 * GIB}),
    ],
)
def test_some_tenants_and_servers_are_left_out(
    tenant_change: dict[str, Any], server_change: dict[str, Any]
) -> None:
    values: dict[str, Any] = {"stored_bytes": 10 * GIB, "load": 0.5, "connections": 10}
    tenants = [tenant(number, **{**values, **tenant_change}) for number in range(1, 5)]
    region = tenant_change.get("region")
    servers = [server("one", region=region), server("two", **server_change)]

    assert moves(plan(fleet(tenants, servers))) == []


def test_a_measure_that_is_not_known_is_not_compared() -> None:
    tenants = [tenant(number, stored_bytes=GIB, load=None) for number in range(1, 5)]
    found = fleet(tenants, [server("one"), server("two")])

    [[compared]] = compare(found)
    said = list(left_out(found))

    assert compared.measure is Measure.SIZE
    assert len(moves(plan(found))) == 2
    assert len(said) == 2
    assert said[0].startswith("one, two are not compared by load")


def test_a_tenant_of_which_something_is_not_known_stays() -> None:
    known = [tenant(number, stored_bytes=GIB, load=0.1) for number in range(1, 7)]
    unknown = [tenant(7, stored_bytes=None, load=0.1), tenant(8, stored_bytes=GIB, load=None)]

    chosen = plan(fleet([*unknown, *known], [server("one"), server("two")]))

    assert len(chosen.advised) == 3
    assert {"tenant-7", "tenant-8"}.isdisjoint(slug for slug, _ in moves(chosen))


def test_only_the_measures_that_are_asked_for_count() -> None:
    tenants = [tenant(number, stored_bytes=GIB, load=0.1) for number in range(1, 5)]
    balanced = [
        *tenants,
        *(tenant(number, load=0.1, server="two") for number in range(5, 9)),
    ]
    found = fleet(balanced, [server("one"), server("two")])

    assert moves(plan(found, Measure.LOAD)) == []
    assert len(moves(plan(found, Measure.SIZE))) == 2


def test_tenants_of_shared_databases_move_by_what_they_store() -> None:
    tenants = [
        *(tenant(number, tier=SCHEMA, stored_bytes=GIB) for number in range(1, 5)),
        *(tenant(number, tier=POOLED, stored_bytes=GIB // 8) for number in range(5, 9)),
    ]

    chosen = plan(fleet(tenants, [server("one"), server("two")]))

    assert chosen.advised
    assert {each.candidate.tier for each in chosen.advised} <= {SCHEMA, POOLED}
    assert chosen.fleet.by_name["two"].connections == 10


@pytest.mark.parametrize("seed", range(20))
def test_every_plan_keeps_its_rules(seed: int) -> None:
    """A fleet at random: each move brings the servers nearer to even, and none breaks a rule."""
    chance = random.Random(seed)
    regions = ["eu", "us", None]
    servers = [
        server(
            f"server-{number}",
            region=chance.choice(regions),
            capacity=chance.choice([None, 20, 40]),
            is_draining=chance.random() < 0.1,
            stored_bytes=200 * GIB,
            disk_bytes=chance.choice([None, 300 * GIB]),
        )
        for number in range(6)
    ]
    tenants = []
    for number in range(1, 60):
        at = chance.choice(servers[:3])
        tier = chance.choice([DEDICATED, SCHEMA, POOLED])
        tenants.append(
            tenant(
                number,
                server=at.name,
                region=at.record.region if chance.random() < 0.5 else None,
                tier=tier,
                plan_tiers=chance.choice([[], [tier], [POOLED, SCHEMA]]),
                stored_bytes=chance.choice([None, chance.randrange(20 * GIB)]),
                load=chance.choice([None, chance.random()]),
                connections=chance.randrange(5) if tier is DEDICATED else None,
                stays="a legal hold is on it" if chance.random() < 0.1 else None,
            )
        )
    before = fleet(tenants, servers)

    chosen = plan(before)

    moved = [each.candidate.tenant.slug for each in chosen.advised]
    assert len(set(moved)) == len(moved)
    for each in chosen.advised:
        candidate, source = each.candidate, before.by_name[each.candidate.tenant.server]
        target = before.by_name[candidate.server]
        assert candidate.tier is candidate.tenant.tier
        assert candidate.tenant.stays is None
        assert candidate.tenant.may_have(candidate.tier)
        assert target.record.region == source.record.region
        assert candidate.tenant.region in (None, target.record.region)
        assert not target.record.is_draining
        share = each.after.by_name[candidate.server].shares.get("disk", 0)
        assert share < 0.8 or share <= target.shares["disk"]
        assert _unevenness(each.after) < _unevenness(each.before)


def _unevenness(made_up: Fleet) -> float:
    return sum(
        (each.of_even(name) - 1) ** 2
        for region in compare(made_up)
        for each in region
        for name in each.totals
    )
