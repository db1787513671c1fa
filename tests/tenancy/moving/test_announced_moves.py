"""Processes that serve a tenant open connections to the target of a move before the switch."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from moved_tenants import at, placements_of

from trially.database.engines import engine_registry
from trially.database.placement import StalePlacementError, enter_placement
from trially.database.session import check_tenant_open
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.directory import Directory, TenantEntry
from trially.tenancy.lifecycle.moving import announcing
from trially.tenancy.lifecycle.moving.announcing import is_busy
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.warming import Warmer

OPTIONS = MoveOptions(max_pause=1.0, give_up_seconds=60)


@pytest.fixture
def member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(Tier.POOLED_ROWS))


def entry_of(app: Flask, tenant_id: UUID) -> TenantEntry:
    with app.app_context():
        return Directory(0).find(str(tenant_id), fresh=True)


@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA])
def test_a_process_learns_of_the_target_and_opens_connections_that_show_nothing(
    app: Flask, member: Member, tier: Tier
) -> None:
    found: list[Any] = []

    def look() -> None:
        target = entry_of(app, member.tenant.id).next_placement
        assert target is not None
        with app.app_context():
            engine_registry().open_idle(target, 3)
            pool: Any = engine_registry().engine_for(target).pool
            enter_placement(target)
            with pytest.raises(StalePlacementError):
                check_tenant_open()
        found.append((target.bind_key, bool(pool.idle)))

    with app.app_context(), at("lock", look):
        move_tenant(member.tenant.slug, tier, None, OPTIONS)

    entry = entry_of(app, member.tenant.id)
    assert found == [(entry.placement.bind_key, True)]
    assert entry.next_placement is None
    assert member.get("/patients").status_code == 200


def test_an_entry_changes_with_the_announcement(app: Flask, member: Member) -> None:
    before, found = entry_of(app, member.tenant.id), []

    def look() -> None:
        found.append(entry_of(app, member.tenant.id).stamp)

    with app.app_context(), at("lock", look):
        move_tenant(member.tenant.slug, Tier.OWN_SCHEMA, None, OPTIONS)

    assert found != [before.stamp]


def test_nothing_is_opened_after_a_move_that_failed(app: Flask, member: Member) -> None:
    def fail() -> None:
        raise RuntimeError("The mover is gone.")

    with app.app_context(), at("lock", fail), pytest.raises(RuntimeError):
        move_tenant(member.tenant.slug, Tier.DEDICATED_DATABASE, None, OPTIONS)

    assert entry_of(app, member.tenant.id).next_placement is None


def test_a_request_of_the_tenant_opens_the_connections(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[str] = []
    monkeypatch.setattr(Warmer, "warm", lambda _self, placement: warmed.append(placement.bind_key))
    directory = Directory(60)

    def find() -> None:
        with app.app_context():
            directory.find(member.tenant.slug)

    with app.app_context(), at("lock", find):
        move_tenant(member.tenant.slug, Tier.DEDICATED_DATABASE, None, OPTIONS)

    assert warmed == [entry_of(app, member.tenant.id).placement.bind_key]


def test_a_database_is_busy_if_a_request_has_used_it(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcing, "QUIET_SECONDS", 3600)
    member = as_member(make_tenant(Tier.DEDICATED_DATABASE))
    assert member.get("/patients").status_code == 200

    with app.app_context():
        side = side_of(placements_of(app, member.tenant.id)[0])
        assert is_busy(side)
        monkeypatch.setattr(announcing, "QUIET_SECONDS", 0)
        assert not is_busy(side)
