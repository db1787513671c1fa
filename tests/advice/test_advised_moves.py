"""Advice about real tenants on two servers: what is advised can be done, and nothing is changed."""

import datetime as dt
import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, insert, select, update
from standbys import Installation, ask, install_on, server_folder, start, text_of, url_of
from tenant_databases import TIERS

from trially.advice import commands
from trially.advice.reading import read_fleet
from trially.advice.rules import THRESHOLDS
from trially.config import Settings
from trially.database.session import transaction
from trially.state import state_of
from trially.tenancy.catalog import Operation, PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import administered_tenant
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.tenancy.operators.model import OperatorAction
from trially.usage.bringing_up_to_date import copy_to_catalog, count_days
from trially.usage.model import UsageSample

SECOND = "second"
ONE_DAY = dt.timedelta(days=1, minutes=15)
"""After it, the present day of a tenant in UTC has ended, and samples have been sent."""

DATABASES = "SELECT datname FROM pg_database ORDER BY 1"


@pytest.fixture(scope="module")
def servers(settings: Settings) -> Iterator[tuple[Installation, Any, Any]]:
    """An installation with two servers."""
    with server_folder() as folder:
        first = start(folder / "first", wal_level="logical")
        second = start(folder / "second", wal_level="logical")
        installation = install_on(url_of(first), settings, folder)
        added = installation.run(
            "servers", "add", SECOND, "--url", "-", says=f"{text_of(second.url())}\n"
        )
        assert added.exit_code == 0, added.output
        yield installation, first, second


@pytest.fixture
def installation(servers: tuple[Installation, Any, Any]) -> Iterator[Installation]:
    """The installation. The tenants of a test are put out of the way of the others."""
    installation = servers[0]
    for name in ("default", SECOND):
        installation.run("servers", "resume", name)
    yield installation
    change(installation, update(Tenant).values(legal_hold="a test has ended", plan="standard"))


def change(installation: Installation, *statements: Any) -> None:
    with installation.app.app_context(), catalog_transaction() as session:
        for statement in statements:
            session.execute(statement)


def run_json(installation: Installation, *arguments: str) -> Any:
    result = installation.run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def run_advised(installation: Installation, command: str) -> None:
    words = shlex.split(command)
    assert words[0] == "flask"
    result = installation.run(*words[1:], "--max-pause", "5s")
    assert result.exit_code == 0, result.output


def place_of(installation: Installation, tenant: Tenant) -> tuple[str, str]:
    shown = run_json(installation, "tenants", "show", tenant.slug)
    return shown["tier"], shown["server"]


def recorded(installation: Installation) -> list[Any]:
    """Return what a command that only reads must not add to, or change."""
    with installation.app.app_context(), catalog_transaction() as session:
        return [
            *session.execute(select(OperatorAction.id)).all(),
            *session.execute(select(Operation.id)).all(),
            *session.execute(select(PlacementRecord.id, PlacementRecord.is_active)).all(),
        ]


@pytest.mark.parametrize("tier", TIERS)
def test_a_tenant_whose_plan_forbids_its_tier_is_advised_to_leave_it(
    servers: tuple[Installation, Any, Any], installation: Installation, tier: Tier
) -> None:
    tenant = installation.make_tenant(tier=tier, server="default")
    neighbour = installation.make_tenant(tier=tier, server="default")
    installation.make_client(tenant).add_patient("m1")
    other = next(each for each in TIERS if each is not tier)
    plan = f"only-{other.value.replace('_', '-')}"
    installation.run("plans", "create", plan, "--tier", other.value)
    change(installation, update(Tenant).where(Tenant.id == tenant.id).values(plan=plan))
    before = recorded(installation), ask(servers[1], DATABASES)

    advice = run_json(installation, "tenants", "advise")

    [move] = advice["moves"]
    assert (move["tenant"], move["rule"]) == (tenant.slug, "tier_not_in_plan")
    assert (move["to_tier"], move["to_server"]) == (other, "default")
    assert move["command"] == f"flask tenants move {tenant.slug} --to-tier {other}"
    assert move["rows"] > 0
    assert move["copied_bytes"] > 0
    assert move["seconds"] >= 6
    [server] = move["servers"]
    assert server["before"]["stored_bytes"] > 2**20
    assert server["before"]["free_bytes"] is None
    assert 0 < server["before"]["free_connections"] < 100
    assert advice["refused"] == []
    [uncounted] = advice["missing"]
    assert uncounted.startswith("No day of the last 7 is counted of ")
    assert (recorded(installation), ask(servers[1], DATABASES)) == before
    run_advised(installation, move["command"])
    assert place_of(installation, tenant) == (other, "default")
    assert place_of(installation, neighbour) == (tier, "default")


def test_tenants_of_a_draining_server_are_advised_to_leave_it(installation: Installation) -> None:
    tenants = {installation.make_tenant(tier=tier, server="default").slug: tier for tier in TIERS}
    held = installation.make_tenant(server="default")
    change(installation, update(Tenant).where(Tenant.id == held.id).values(legal_hold="A suit"))
    quarantined = installation.make_tenant(server="default")
    record = PlacementRecord
    change(
        installation,
        update(record).where(record.tenant_id == quarantined.id).values(quarantine="It failed."),
    )
    installation.run("servers", "drain", "default")

    advice = run_json(installation, "tenants", "advise", "--disk", "second=1000")
    text = installation.run("tenants", "advise", "--disk", "second=1000").stdout

    assert {move["tenant"]: move["to_tier"] for move in advice["moves"]} == tenants
    assert {move["to_server"] for move in advice["moves"]} == {SECOND}
    targets = [move["servers"][1] for move in advice["moves"]]
    assert [each["after"]["tenants"] - each["before"]["tenants"] for each in targets] == [1, 1, 1]
    assert targets[0]["after"]["free_bytes"] < targets[0]["before"]["free_bytes"] < 1000 * 2**30
    [refused] = advice["refused"]
    assert refused["tenant"] == quarantined.slug
    assert [each["code"] for each in refused["blockers"]] == ["quarantined"]
    assert f"flask tenants move {held.slug}" not in text
    for slug in tenants:
        assert f"{slug} (server_draining): flask tenants move {slug} --to-server {SECOND}" in text
    assert f"Not advised: {quarantined.slug} to dedicated_database on {SECOND}" in text
    run_advised(installation, advice["moves"][0]["command"])
    # Its former placement is kept, and no rule moves it again meanwhile.
    left = run_json(installation, "tenants", "advise")
    assert advice["moves"][0]["tenant"] not in {move["tenant"] for move in left["moves"]}
    assert len(left["moves"]) == 2
    change(
        installation,
        update(record).where(record.tenant_id == quarantined.id).values(quarantine=None),
    )


def test_nothing_is_advised_that_the_check_of_a_move_refuses(
    servers: tuple[Installation, Any, Any], installation: Installation
) -> None:
    tenant = installation.make_tenant(server=SECOND)
    installation.run("servers", "drain", SECOND)
    most = "current_setting('max_replication_slots')::int"
    numbers = f"generate_series(1, {most}) AS n"
    ask(servers[2], f"SELECT pg_create_physical_replication_slot('slot_' || n) FROM {numbers}")
    try:
        advice = run_json(installation, "tenants", "advise")
    finally:
        ask(servers[2], "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")

    assert advice["moves"] == []
    [refused] = advice["refused"]
    assert refused["tenant"] == tenant.slug
    assert [each["code"] for each in refused["blockers"]] == ["no_free_slot"]


def test_a_large_and_a_busy_tenant_are_found_by_statistics_and_usage(
    servers: tuple[Installation, Any, Any],
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large, busy, small = (
        installation.make_tenant(tier=Tier.POOLED_ROWS, server="default") for _ in range(3)
    )
    for tenant, patients in ((large, 40), (busy, 4), (small, 4)):
        member = installation.make_client(tenant)
        for number in range(patients):
            assert member.add_patient(f"m{number}").status_code == 201
    ask(servers[1], "ANALYZE", database=large.placement.database)
    this_hour = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    sample = {"tenant_id": busy.id, "process_id": uuid4(), "requests": 1, "egress_bytes": 0}
    last_hour = this_hour - dt.timedelta(hours=1)
    change(
        installation,
        insert(UsageSample).values(**sample, hour=last_hour, database_us=1_800_000_000),
        # An hour that has not ended says nothing yet.
        insert(UsageSample).values(**sample, hour=this_hour, database_us=3_000_000_000),
    )
    with installation.app.app_context():
        known = {each.id: each for each in read_fleet({}).tenants}
    stored = known[large.id].stored_bytes
    assert stored is not None
    assert stored > 3 * (known[small.id].stored_bytes or stored)
    assert (known[busy.id].peak_load, known[busy.id].load) == (0.5, None)
    assert known[small.id].peak_load is None
    limits = replace(THRESHOLDS, large_bytes=replace(THRESHOLDS.large_bytes, value=stored))
    monkeypatch.setattr(commands, "THRESHOLDS", limits)

    advice = run_json(installation, "tenants", "advise")

    rules = {move["tenant"]: move["rule"] for move in advice["moves"]}
    assert rules == {
        large.slug: "large_for_shared_tables",
        busy.slug: "busy_for_shared_database",
    }
    assert "it kept 0.50 connections of a shared database busy" in advice["moves"][1]["reason"]
    for move in advice["moves"]:
        assert move["to_tier"] == Tier.DEDICATED_DATABASE
        run_advised(installation, move["command"])
    assert run_json(installation, "tenants", "advise")["moves"] == []


@pytest.mark.parametrize("tier", TIERS)
def test_counted_days_say_the_load_and_how_far_quotas_are_used(
    installation: Installation, tier: Tier
) -> None:
    tenant = installation.make_tenant(tier=tier, server="default")
    assert installation.make_client(tenant).add_patient("m1").status_code == 201
    limits = TenantChange(limits={Limit.PATIENTS: 1}, reason="A test")
    with installation.app.app_context():
        change_tenant(tenant.slug, limits)
        with administered_tenant(tenant.slug):
            now = dt.datetime.now(dt.UTC) + ONE_DAY
            with transaction():
                count_days(now)
            with transaction():
                copy_to_catalog(now)
        [known] = [each for each in read_fleet({}).tenants if each.id == tenant.id]

    advice = run_json(installation, "tenants", "advise")

    assert (known.counted_days, known.load, known.peak_load) == (1, 0, 0)
    needed = {each["subject"]: each for each in advice["unplaced"]}[tenant.slug]
    assert needed["rule"] == "quota_nearly_used"
    assert needed["reason"] == "It used 1 of 1 patients on its last counted day."
    assert not any(tenant.slug in sentence for sentence in advice["missing"])


@pytest.mark.parametrize("tier", TIERS)
def test_a_plan_of_moves_evens_out_servers(
    servers: tuple[Installation, Any, Any],
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    tier: Tier,
) -> None:
    tenants = {
        each.slug: each
        for each in (installation.make_tenant(tier=tier, server="default") for _ in range(4))
    }
    for each in tenants.values():
        assert installation.make_client(each).add_patient("m1").status_code == 201
        ask(servers[1], "ANALYZE", database=each.placement.database)
    limits = replace(
        THRESHOLDS,
        least_bytes=replace(THRESHOLDS.least_bytes, value=1),
        least_gain=replace(THRESHOLDS.least_gain, value=1e-9),
        uneven_share=replace(THRESHOLDS.uneven_share, value=1.0),
    )
    monkeypatch.setattr(commands, "THRESHOLDS", limits)
    before = recorded(installation), ask(servers[1], DATABASES)

    plan = run_json(installation, "servers", "rebalance", "--plan", "--by", "size")
    script = installation.run("servers", "rebalance", "--plan", "--by", "size").stdout

    assert (recorded(installation), ask(servers[1], DATABASES)) == before
    moved = [move["tenant"] for move in plan["moves"]]
    assert moved
    assert set(moved) <= set(tenants)
    assert {move["to_server"] for move in plan["moves"]} == {SECOND}
    assert {move["to_tier"] for move in plan["moves"]} == {tier}
    # Sizes of new databases still change a little, so the script may name other tenants.
    commands_of_script = [each for each in script.splitlines() if not each.startswith("# ")]
    assert commands_of_script
    possible = {f"flask tenants move {slug} --to-server {SECOND}" for slug in tenants}
    assert set(commands_of_script) <= possible
    assert {move["command"] for move in plan["moves"]} <= possible
    shares = {each["server"]: each for each in plan["comparisons"]}
    for each in shares.values():
        assert abs(each["share_after"] - 1) < abs(each["share_before"] - 1)
    for move in plan["moves"]:
        run_advised(installation, move["command"])
    for slug, tenant in tenants.items():
        assert place_of(installation, tenant) == (tier, SECOND if slug in moved else "default")


def test_servers_are_not_compared_without_a_second_one(installation: Installation) -> None:
    assert "Add --plan" in installation.run("servers", "rebalance").output
    unknown = installation.run("servers", "rebalance", "--plan", "--disk", "third=10")
    assert "The server 'third' does not exist." in unknown.output
    assert "SERVER=GIB" in installation.run("tenants", "advise", "--disk", "ten").output
    even = installation.run("servers", "rebalance", "--plan", "--by", "load")
    assert "are not compared by load: less than 0.25 busy connections" in even.output
    assert "No move would make the servers more even." in even.output
    installation.run("servers", "drain", SECOND)

    alone = installation.run("servers", "rebalance", "--plan")

    assert (alone.exit_code, "No region has two servers" in alone.output) == (1, True)


def test_a_server_that_does_not_answer_is_told_and_gets_no_tenant(
    servers: tuple[Installation, Any, Any], installation: Installation
) -> None:
    tenant = installation.make_tenant(server="default")
    dead = text_of(url_of(servers[2]).set(query={"host": "/nowhere", "port": "5432"}))
    change(
        installation,
        insert(Server).values(id=uuid4(), name="dead", url=dead),
        update(Server).where(Server.name == SECOND).values(is_draining=True),
    )
    installation.run("servers", "drain", "default")
    try:
        advice = run_json(installation, "tenants", "advise")
    finally:
        change(installation, delete(Server).where(Server.name == "dead"))

    assert advice["moves"] == []
    assert any("The server dead does not answer" in each for each in advice["missing"])
    needed = {each["subject"]: each for each in advice["unplaced"]}[tenant.slug]
    assert needed["remedy"].startswith("No server has room for it in dedicated_database.")


def test_the_tier_of_a_plans_new_tenants_is_the_one_that_it_prefers(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = installation.make_tenant(server="default")
    change(installation, update(Tenant).where(Tenant.id == tenant.id).values(plan="pro"))

    def preferred() -> list[Tier]:
        with installation.app.app_context():
            [known] = [each for each in read_fleet({}).tenants if each.id == tenant.id]
        return list(known.plan_tiers)

    assert preferred() == [Tier.OWN_SCHEMA, Tier.POOLED_ROWS]
    plan_tiers = {"pro": Tier.POOLED_ROWS}
    monkeypatch.setattr(state_of(installation.app), "plan_tiers", plan_tiers)
    assert preferred() == [Tier.POOLED_ROWS, Tier.OWN_SCHEMA]


def test_the_thresholds_are_shown_with_their_sources(installation: Installation) -> None:
    rules = run_json(installation, "tenants", "advise", "--rules")

    assert rules.keys() == vars(THRESHOLDS).keys()
    assert all(each["source"] and each["unit"] for each in rules.values())
    text = installation.run("tenants", "advise", "--rules").stdout
    assert all(f"{name}: " in text for name in rules)
