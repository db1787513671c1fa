"""Former placements are kept for a time, and then removed."""

import datetime as dt
from collections.abc import Callable

import pytest
from flask import Flask
from members import Member
from moved_tenants import DEDICATED, OPTIONS, POOLED, SCHEMA, placements_of, target_of
from sqlalchemy import update

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.moves import NothingKeptError, move_back, move_tenant
from trially.tenancy.lifecycle.moving.settling import settle
from trially.tenancy.lifecycle.moving.sides import side_of


def test_a_tenant_moves_back_only_while_its_placement_is_kept(app: Flask, member: Member) -> None:
    with app.app_context():
        with pytest.raises(NothingKeptError):
            move_back(member.tenant.slug, OPTIONS)
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
        with catalog_transaction() as session:
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.tenant_id == member.tenant.id, ~PlacementRecord.is_active)
                .values(kept_until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
            )
        with pytest.raises(NothingKeptError):
            move_back(member.tenant.slug, OPTIONS)
        former = target_of(app, member)
        assert [each.action for each in settle(member.tenant.id)] == ["remove"]
        with side_of(former).reading() as session:
            assert session.run("SELECT count(*) FROM patient") == [(0,)]

    (only,) = placements_of(app, member.tenant.id)
    assert only.tier == DEDICATED
    assert len(member.get("/patients").json["data"]) == 3


@pytest.mark.parametrize("tier", [POOLED, SCHEMA])
def test_removing_a_former_placement_takes_nothing_from_a_tenant_that_came_back(
    app: Flask, make_member: Callable[[Tier], Member], tier: Tier
) -> None:
    member = make_member(tier)
    with app.app_context():
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
        move_tenant(member.tenant.slug, tier, None, OPTIONS)
        with catalog_transaction() as session:
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.tenant_id == member.tenant.id, ~PlacementRecord.is_active)
                .values(kept_until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
            )
        assert {each.action for each in settle(member.tenant.id)} == {"remove"}

    assert len(placements_of(app, member.tenant.id)) == 1
    assert len(member.get("/patients").json["data"]) == 3
