"""A tenant of each tier is restored to a time, and nobody sees another tenant's rows meanwhile."""

import datetime as dt
import time
from uuid import uuid4

import pytest
from flask import Flask
from members import MakePatient

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.recovery.restoring import RestoreAtOptions, restore_at


def now() -> dt.datetime:
    time.sleep(0.05)
    return dt.datetime.now(dt.UTC)


@pytest.mark.parametrize("target", [Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS])
def test_a_tenant_of_each_tier_is_restored_as_it_was(
    app: Flask, barman, tier: Tier, target: Tier, make_tenant, as_member, make_patient: MakePatient
) -> None:
    member, neighbour = as_member(make_tenant(tier)), as_member(make_tenant(tier))
    changed, deleted, erased = (make_patient(member) for _ in range(3))
    make_patient(neighbour)
    at = now()
    member.patch(f"/patients/{changed['id']}", json={"family_name": "Changed"})
    member.delete(f"/patients/{deleted['id']}")
    member.post(f"/patients/{erased['id']}/erasure", json={"reason": "request"})
    make_patient(member)
    slug = f"restored-{uuid4().hex[:8]}"

    with app.app_context():
        operation = restore_at(member.tenant.slug, at, slug, RestoreAtOptions(tier=target))
        restored = get_tenant(slug)

    assert operation.state == "done"
    assert restored.placement.tier == target
    found = {row["id"]: row for row in as_member(restored).get("/patients").json["data"]}
    # Whom the tenant has erased since is erased in the restored tenant too.
    assert found.keys() == {changed["id"], deleted["id"]}
    assert found[changed["id"]]["family_name"] == changed["family_name"]


def test_a_tenant_that_has_moved_since_is_restored_from_where_it_was(
    app: Flask, barman, make_tenant, as_member, make_patient: MakePatient
) -> None:
    member = as_member(make_tenant(Tier.OWN_SCHEMA))
    patient = make_patient(member)
    at = now()
    slug = f"restored-{uuid4().hex[:8]}"

    with app.app_context():
        move_tenant(member.tenant.slug, Tier.POOLED_ROWS, None, MoveOptions(max_pause=5))
        make_patient(member)
        restore_at(member.tenant.slug, at, slug, RestoreAtOptions())
        restored = get_tenant(slug)

    assert restored.placement.tier == Tier.OWN_SCHEMA
    shown = as_member(restored).get("/patients").json["data"]
    assert [each["id"] for each in shown] == [patient["id"]]
