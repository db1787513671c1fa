"""Which tenants the rules would move, in made-up fleets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from made_up_fleets import DEDICATED, GIB, POOLED, SCHEMA, Checks, fleet, server, tenant

from trially.advice.checking import choose_moves
from trially.advice.fleet import Fleet, QuotaUse
from trially.advice.outgrown import propose, unplaced
from trially.advice.rules import THRESHOLDS, Rule
from trially.tenancy.catalog_choices import Tier


def proposed(made_up: Fleet) -> tuple[Rule, Tier, str] | None:
    found = propose(made_up, ())
    return None if found is None else (found.rule, found.tier, found.server)


def test_a_tenant_that_fits_stays() -> None:
    placed = [tenant(1), tenant(2, tier=SCHEMA), tenant(3, tier=POOLED, stored_bytes=GIB)]

    assert proposed(fleet(placed)) is None
    assert list(unplaced(fleet(placed), ())) == []


def test_a_tenant_leaves_a_tier_that_its_plan_does_not_allow() -> None:
    found = fleet([tenant(tier=DEDICATED, plan="pro", plan_tiers=[SCHEMA, POOLED])])

    assert proposed(found) == (Rule.TIER_NOT_IN_PLAN, SCHEMA, "one")


def test_a_tenant_leaves_a_draining_server_in_its_tier() -> None:
    servers = [server("one", is_draining=True), server("full", 3, capacity=3), server("two")]

    assert proposed(fleet([tenant(tier=SCHEMA)], servers)) == (Rule.SERVER_DRAINING, SCHEMA, "two")


@pytest.mark.parametrize(
    ("plan_tiers", "expected"),
    [((), DEDICATED), ((POOLED, SCHEMA), SCHEMA), ((POOLED, DEDICATED, SCHEMA), DEDICATED)],
)
def test_a_large_tenant_leaves_shared_tables_for_a_tier_of_its_plan(
    plan_tiers: tuple[Tier, ...], expected: Tier
) -> None:
    found = fleet([tenant(tier=POOLED, stored_bytes=2 * GIB, plan_tiers=plan_tiers)])

    assert proposed(found) == (Rule.LARGE_FOR_SHARED_TABLES, expected, "one")


@pytest.mark.parametrize("tier", [SCHEMA, POOLED])
def test_a_busy_tenant_leaves_a_shared_database(tier: Tier) -> None:
    busy = fleet([tenant(tier=tier, peak_load=0.25)])
    quiet = fleet([tenant(tier=tier, peak_load=0.24)])

    assert proposed(busy) == (Rule.BUSY_FOR_SHARED_DATABASE, DEDICATED, "one")
    assert proposed(quiet) is None


def test_a_busy_tenant_whose_plan_has_no_other_tier_needs_another_plan() -> None:
    found = fleet([tenant(tier=POOLED, peak_load=1.0, plan="free", plan_tiers=[POOLED])])

    [needed] = unplaced(found, ())
    assert proposed(found) is None
    assert (needed.subject, needed.rule) == ("tenant-1", Rule.BUSY_FOR_SHARED_DATABASE)
    assert "allows pooled_rows only" in needed.remedy


RARELY_USED: Mapping[str, Any] = {"plan_tiers": [POOLED, DEDICATED], "plan": "free"}


def test_a_rarely_used_tenant_may_share_if_its_plan_prefers_that() -> None:
    crowd = [server("one", 100, own_databases=100)]
    found = fleet([tenant(**RARELY_USED)], crowd)

    assert proposed(found) == (Rule.RARELY_USED, POOLED, "one")


@pytest.mark.parametrize(
    "change",
    [
        {"plan_tiers": [], "plan": "standard"},
        {"plan_tiers": [DEDICATED, POOLED]},
        {"counted_days": 6},
        {"peak_load": None},
        {"peak_load": 0.02},
        {"stored_bytes": None},
        {"stored_bytes": GIB},
        {"stays": "a legal hold is on it"},
    ],
)
def test_walls_are_not_weakened_for_any_other_tenant(change: dict[str, Any]) -> None:
    crowd = [server("one", 100, own_databases=100)]

    assert proposed(fleet([tenant(**{**RARELY_USED, **change})], crowd)) is None
    few = [server("one", 100, own_databases=64)]
    assert proposed(fleet([tenant(**RARELY_USED)], few)) is None


def test_nothing_is_guessed_of_what_is_not_known() -> None:
    unknown = {"stored_bytes": None, "load": None, "peak_load": None, "connections": None}
    tenants = [tenant(number, tier=tier, **unknown) for number, tier in enumerate((SCHEMA, POOLED))]
    blank = server(stored_bytes=None, connections=None, most_connections=None)

    assert proposed(fleet(tenants, [blank])) is None


@pytest.mark.parametrize(
    ("crowded", "relieving"),
    [
        ({"connections": 80}, 1),
        ({"stored_bytes": 80 * GIB, "disk_bytes": 100 * GIB}, 2),
        ({"capacity": 10}, 3),
    ],
)
def test_the_tenant_that_relieves_a_crowded_server_leaves_it(
    crowded: dict[str, Any], relieving: int
) -> None:
    tenants = [
        tenant(1, connections=20, stored_bytes=GIB),
        tenant(2, connections=2, stored_bytes=30 * GIB),
        tenant(3, connections=1, stored_bytes=GIB // 2),
    ]
    servers = [server("one", 9, **crowded), server("two", disk_bytes=200 * GIB)]

    found = propose(fleet(tenants, servers), ())

    assert found is not None
    assert (found.tenant.slug, found.server) == (f"tenant-{relieving}", "two")
    assert found.rule is Rule.SERVER_CROWDED


def test_a_crowded_server_without_a_place_for_its_tenants_is_named() -> None:
    servers = [server("one", connections=90), server("two", connections=79)]
    found = fleet([tenant(connections=20)], servers)

    [needed] = unplaced(found, ())
    assert proposed(found) is None
    assert (needed.subject, needed.reason) == (
        "one",
        "The server one uses 90 % of its connections.",
    )
    assert "flask servers add" in needed.remedy


def test_no_move_makes_a_server_crowded() -> None:
    servers = [server("one", connections=78), server("two", connections=20)]

    found = fleet([tenant(tier=POOLED, peak_load=1.0)], servers, most_of_tenant=8)

    assert proposed(found) == (Rule.BUSY_FOR_SHARED_DATABASE, DEDICATED, "two")


def test_a_disk_has_room_for_the_rows_and_their_copy() -> None:
    stored = {"stored_bytes": 70 * GIB, "disk_bytes": 100 * GIB}
    servers = [server("one", **stored), server("two", disk_bytes=100 * GIB)]

    for size, expected in ((9, "one"), (11, "two")):
        found = fleet([tenant(tier=POOLED, stored_bytes=size * GIB)], servers)
        assert proposed(found) == (Rule.LARGE_FOR_SHARED_TABLES, DEDICATED, expected)


def test_a_tenant_never_leaves_its_region() -> None:
    others = [server("us", region="us"), server("none"), server("eu", region="eu")]
    draining = server("one", is_draining=True, region="eu")

    for region in ("eu", None):
        found = fleet([tenant(region=region)], [draining, *others])
        assert proposed(found) == (Rule.SERVER_DRAINING, DEDICATED, "eu")
    nowhere = fleet([tenant(region="eu")], [draining, *others[:2]])
    assert proposed(nowhere) is None
    [needed] = unplaced(nowhere, ())
    assert "No server in its region eu" in needed.remedy


@pytest.mark.parametrize(
    "other",
    [
        {"is_reachable": False},
        {"is_draining": True},
        {"tiers": ["pooled_rows"]},
        {"tenants": 5, "capacity": 5},
    ],
)
def test_a_server_that_accepts_no_tenant_gets_none(other: dict[str, Any]) -> None:
    servers = [server("one", is_draining=True), server("two", **other)]

    assert proposed(fleet([tenant()], servers)) is None


@pytest.mark.parametrize("stays", ["a legal hold is on it", "its erasure is ordered"])
def test_a_tenant_that_must_stay_stays(stays: str) -> None:
    servers = [server("one", is_draining=True), server("two")]

    assert proposed(fleet([tenant(stays=stays)], servers)) is None


def test_a_silo_stays() -> None:
    servers = [server("one", is_draining=True), server("two")]

    assert proposed(fleet([tenant(tier=Tier.SILO)], servers)) is None


def test_a_quota_that_is_nearly_used_needs_another_plan() -> None:
    quotas = {"patients": QuotaUse(450, 500), "studies": QuotaUse(1, 5), "members": QuotaUse(0, 0)}

    [needed] = unplaced(fleet([tenant(quotas=quotas)]), ())

    assert (needed.rule, needed.subject) == (Rule.QUOTA_NEARLY_USED, "tenant-1")
    assert needed.reason == "It used 450 of 500 patients on its last counted day."


def test_a_refused_move_is_not_advised_and_the_next_server_is_tried() -> None:
    servers = [server("one", is_draining=True), server("two"), server("three", tenants=1)]
    checks = Checks("two")

    chosen = choose_moves(fleet([tenant()], servers), propose, 10, checks)

    assert [each.candidate.server for each in chosen.advised] == ["three"]
    assert [each.candidate.server for each in chosen.refused] == ["two"]
    assert [each.command for each in map(_candidate_of, chosen.advised)] == [
        "flask tenants move tenant-1 --to-server three"
    ]


def test_moves_are_counted_up_so_that_no_server_gets_too_many() -> None:
    tenants = [tenant(number) for number in range(1, 4)]
    servers = [
        server("one", 3, is_draining=True),
        server("two", 8, capacity=11),
        server("three", connections=75),
    ]

    chosen = choose_moves(fleet(tenants, servers), propose, 10, Checks())

    places = [each.candidate.server for each in chosen.advised]
    # The tenth of eleven places is more than 90 %.
    assert sorted(places) == ["three", "three", "two"]
    assert chosen.fleet.by_name["one"].tenants == 0
    assert not chosen.is_cut


def test_no_more_moves_than_asked_for_are_checked() -> None:
    tenants = [tenant(number) for number in range(1, 9)]
    checks = Checks()

    chosen = choose_moves(
        fleet(tenants, [server("one", is_draining=True), server("two")]), propose, 2, checks
    )

    assert (len(chosen.advised), len(checks.checked), chosen.is_cut) == (2, 2, True)


def test_a_threshold_can_be_replaced() -> None:
    found = fleet([tenant(tier=POOLED, stored_bytes=5)])
    limits = replace(THRESHOLDS, large_bytes=replace(THRESHOLDS.large_bytes, value=5))

    assert propose(found, ()) is None
    assert propose(found, (), limits) is not None


def _candidate_of(advised: Any) -> Any:
    return advised.candidate
