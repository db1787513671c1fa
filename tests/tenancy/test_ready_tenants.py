"""Tenants that are kept ready: claimed, migrated, hidden, examined and removed."""

import json
from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from trially import create_app
from trially.auth.members.model import Member
from trially.config import Settings, SettingsError
from trially.database.session import db
from trially.doctor.examining import doctor_of
from trially.doctor.findings import Level
from trially.doctor.fleet import read_fleet
from trially.errors import OperatorError
from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_choices import TenantStatus, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import UnknownTenantError, directory
from trially.tenancy.lifecycle import filling, operations, ready_tenants
from trially.tenancy.lifecycle.claim_notices import ClaimNotices
from trially.tenancy.lifecycle.filling import fill_ready
from trially.tenancy.lifecycle.key_use import all_login_roles
from trially.tenancy.lifecycle.listing import get_tenant, list_tenants
from trially.tenancy.lifecycle.operations import run_operation, unfinished_operations
from trially.tenancy.lifecycle.provisioning import TenantExistsError, create_tenant
from trially.tenancy.migrating.places import read_places
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

TIERS = (Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS)


@pytest.fixture
def keeping(own_app: Flask) -> Callable[..., Any]:
    """Set how many tenants of each tier are kept ready, and fill."""

    def keep(**counts: int) -> Any:
        state_of(own_app).ready_tenants = {Tier(tier): count for tier, count in counts.items()}
        return fill_ready()

    return keep


def ready_ids() -> dict[Any, str]:
    """Return the ids of the tenants that no one has, and their tiers."""
    with catalog_transaction() as session:
        rows = session.execute(
            select(Tenant.id, PlacementRecord.tier)
            .join(PlacementRecord, PlacementRecord.tenant_id == Tenant.id)
            .where(Tenant.status.in_((TenantStatus.READY, TenantStatus.PREPARING)))
        )
        return dict(rows.all())


def die(*_: Any) -> None:
    """End as a process that was killed: nothing after this runs."""
    raise KeyboardInterrupt


def databases_and_roles() -> set[str]:
    with server_access().administer() as raw:
        rows = execute(raw, "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles")
        return {name for (name,) in rows}


def problems() -> list[str]:
    fleet = read_fleet()
    with doctor_of(fleet) as doctor:
        found = [finding for examine in doctor.examinations() for finding in examine()]
    names = {database.name for database in fleet.databases}
    return [
        finding.what
        for finding in found
        if finding.level is not Level.OK
        and (finding.where.rpartition("/")[2] in names or "ready" in finding.what)
    ]


def test_new_tenants_take_over_ready_ones(own_app: Flask, keeping: Callable[..., Any]) -> None:
    with own_app.app_context():
        keeping(**dict.fromkeys(TIERS, 1))
        ready = ready_ids()
        before = databases_and_roles()
        claimed = {
            tier: create_tenant(f"claims-{tier[:3]}", "Claims", tier=tier, time_zone="Asia/Tokyo")
            for tier in TIERS
        }

        assert sorted(ready.values()) == sorted(TIERS)
        assert {tenant.id: tier for tier, tenant in claimed.items()} == ready
        assert databases_and_roles() == before
        assert ready_ids() == {}
        for tenant in claimed.values():
            assert (tenant.status, tenant.time_zone) == (TenantStatus.ACTIVE, "Asia/Tokyo")
            assert tenant.placement.revision is not None
            with tenant_context(tenant.slug):
                assert db.session.scalars(select(Member)).all() == []
                assert db.session.scalar(text("SELECT current_setting('trially.tenant_id')")) == (
                    str(tenant.id)
                )
            db.session.remove()
        # None is left, so the next one is created from the start.
        assert create_tenant("not-claimed", "None left", tier=Tier.POOLED_ROWS).status == "active"


def test_a_claim_with_an_owner_or_a_taken_slug_is_whole(
    own_app: Flask, keeping: Callable[..., Any]
) -> None:
    owner = {"owner": "who|1", "owner_issuer": None}
    with own_app.app_context():
        keeping(pooled_rows=2)
        owned = create_tenant("owned", "Owned", tier=Tier.POOLED_ROWS, parameters=owner)
        with pytest.raises(TenantExistsError):
            create_tenant("owned", "Again", tier=Tier.POOLED_ROWS)

        with tenant_context("owned"):
            assert db.session.scalars(select(Member.subject)).all() == ["who|1"]
        db.session.remove()
        assert owned.status == TenantStatus.ACTIVE
        assert len(ready_ids()) == 1
        assert unfinished_operations() == []


def test_a_claim_whose_process_died_is_finished(
    own_app: Flask, keeping: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = {"owner": "who|1", "owner_issuer": None}
    with own_app.app_context():
        keeping(pooled_rows=1)
        [ready] = ready_ids()
        with monkeypatch.context() as patch:
            patch.setattr(operations, "_run", die)
            with pytest.raises(KeyboardInterrupt):
                create_tenant("died", "Died", tier=Tier.POOLED_ROWS, parameters=owner)
        with pytest.raises(UnknownTenantError):
            directory().find("died", fresh=True)

        [operation] = unfinished_operations()
        run_operation(operation.id)

        assert get_tenant("died").id == ready
        with tenant_context("died"):
            assert db.session.scalars(select(Member.subject)).all() == ["who|1"]
        db.session.remove()


def test_one_tier_that_fails_stops_no_other(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tier: Tier, server_id: Any) -> None:
        if tier is Tier.OWN_SCHEMA:
            raise OperatorError("The disk is full.")
        ready_tenants.prepare_ready(tier, server_id)

    monkeypatch.setattr(filling, "prepare_ready", fail)
    state_of(own_app).ready_tenants = {Tier.OWN_SCHEMA: 1, Tier.POOLED_ROWS: 1}

    failed = own_app.test_cli_runner().invoke(args=["tenants", "ready", "--json"])

    assert failed.exit_code == 1
    assert [(each["ready"], each["error"]) for each in json.loads(failed.stdout)] == [
        (0, "The disk is full."),
        (1, None),
    ]


def test_two_claims_at_once_get_different_tenants(
    own_app: Flask, keeping: Callable[..., Any]
) -> None:
    barrier, claimed = Barrier(4), []

    def create(number: int) -> None:
        with own_app.app_context():
            barrier.wait()
            claimed.append(create_tenant(f"race-{number}", "Race", tier=Tier.POOLED_ROWS).id)

    with own_app.app_context():
        keeping(pooled_rows=3)
        ready = set(ready_ids())
    threads = [Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(claimed)) == 4
    assert ready < set(claimed)


def test_no_list_and_no_request_sees_a_ready_tenant(
    own_app: Flask, keeping: Callable[..., Any]
) -> None:
    run = own_app.test_cli_runner().invoke
    with own_app.app_context():
        keeping(dedicated_database=1, pooled_rows=1)
        for tenant_id in ready_ids():
            with pytest.raises(UnknownTenantError):
                directory().find(str(tenant_id), fresh=True)
            with pytest.raises(UnknownTenantError):
                get_tenant(str(tenant_id))
        assert list_tenants() == []
        [[_, roles]] = all_login_roles()
        # Their passwords change with the secret key, and their tables with the migrations.
        assert len(roles) == len(read_places()) + 1 == 3
    assert json.loads(run(args=["tenants", "list", "--json"]).stdout) == []
    [server] = json.loads(run(args=["servers", "list", "--json"]).stdout)
    assert server["tenants"] == 0


def test_the_doctor_knows_ready_tenants_and_finds_leaked_ones(
    own_app: Flask, keeping: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_app.app_context():
        keeping(**dict.fromkeys(TIERS, 1))
        assert problems() == []

        state_of(own_app).ready_tenants = {}
        assert [what for what in problems() if "more than" in what] != []

        with monkeypatch.context() as patch:
            patch.setattr(ready_tenants, "run_operation", die)
            with pytest.raises(KeyboardInterrupt):
                keeping(**dict.fromkeys(TIERS, 2))
        assert any(what.startswith("prepare of ready-") for what in problems())

        keeping()
        assert ready_ids() == {}
        assert problems() == []


def test_ready_tenants_that_lack_migrations_are_not_claimed_but_replaced(
    own_app: Flask, keeping: Callable[..., Any]
) -> None:
    with own_app.app_context():
        keeping(pooled_rows=1)
        [outdated] = ready_ids()
        with catalog_transaction() as session:
            session.execute(update(PlacementRecord).values(revision="0001"))
        assert create_tenant("newest", "Newest", tier=Tier.POOLED_ROWS).id != outdated

        [stock] = keeping(pooled_rows=1)

        assert (stock.removed, stock.created, stock.ready) == (1, 1, 1)
        assert outdated not in ready_ids()


def test_the_command_fills_and_empties(own_app: Flask) -> None:
    run = own_app.test_cli_runner().invoke
    state_of(own_app).ready_tenants = {Tier.POOLED_ROWS: 2}

    shown = json.loads(run(args=["tenants", "ready", "--dry-run", "--json"]).stdout)
    filled = json.loads(run(args=["tenants", "ready", "--json"]).stdout)
    state_of(own_app).ready_tenants = {}
    emptied = json.loads(run(args=["tenants", "ready", "--json"]).stdout)
    nothing = run(args=["tenants", "ready"])

    assert [(each["ready"], each["wanted"], each["created"]) for each in shown] == [(0, 2, 0)]
    assert [(each["ready"], each["created"], each["error"]) for each in filled] == [(2, 2, None)]
    assert [(each["ready"], each["removed"]) for each in emptied] == [(0, 2)]
    assert nothing.stdout.startswith("No tenant is kept ready.")
    assert nothing.exit_code == 0


def test_a_claim_wakes_the_process_that_fills(own_app: Flask, keeping: Callable[..., Any]) -> None:
    with own_app.app_context():
        keeping(**{Tier.POOLED_ROWS: 1})
        notices = ClaimNotices()
        assert not notices.wait(0.0)

        create_tenant("wakes-it", "Wakes", tier=Tier.POOLED_ROWS)
        assert notices.wait(30.0)
        assert not notices.wait(0.0)
        create_tenant("wakes-not", "None left", tier=Tier.POOLED_ROWS)
        assert not notices.wait(0.0)

        assert [stock.created for stock in fill_ready()] == [1]
        notices.close()


def test_the_loop_fills_at_a_notice_and_not_only_at_its_interval(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []

    def claim_and_end(notices: ClaimNotices, seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) > 1:
            raise KeyboardInterrupt
        create_tenant("in-the-loop", "Claims", tier=Tier.POOLED_ROWS)
        return True

    state_of(own_app).ready_tenants = {Tier.POOLED_ROWS: 1}
    monkeypatch.setattr(ClaimNotices, "wait", claim_and_end)
    own_app.test_cli_runner().invoke(args=["tenants", "ready", "--every", "1h"])

    with own_app.app_context():
        assert list(ready_ids().values()) == [Tier.POOLED_ROWS]


@pytest.mark.parametrize("kept", [{"nowhere": "1"}, {"silo": "1"}, {"pooled_rows": "-1"}])
def test_wrong_settings_stop_the_start(kept: dict[str, str], settings: Settings) -> None:
    with pytest.raises(SettingsError, match="TRIALLY_READY_TENANTS"):
        create_app(replace(settings, ready_tenants=kept))
