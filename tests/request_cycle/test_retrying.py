"""A stale placement is looked up once more; a suspended tenant is refused."""

from dataclasses import replace

import pytest
from cycle_views import sites
from flask import Flask
from members import Member

from trially.state import state_of
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant


def test_a_stale_placement_is_looked_up_again(app: Flask, member: Member) -> None:
    assert member.get("/me").status_code == 200
    cached = state_of(app).directory._entries
    slug = member.tenant.slug
    before = cached.get(slug)
    cached.put(slug, replace(before, placement=replace(before.placement, epoch=-1)))

    assert member.post("/sites", json={"name": "once"}).status_code == 201

    assert cached.get(slug).placement.epoch > 0
    assert sites(member) == ["once"]


def test_a_placement_that_stays_stale_is_unavailable(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        entry = directory().find(member.tenant.slug)
    stale = replace(entry, placement=replace(entry.placement, epoch=-1))
    monkeypatch.setattr("trially.tenancy.directory._look_up", lambda _reference: stale)
    with app.app_context():
        directory().forget(member.tenant.id)

    answer = member.get("/me")

    assert answer.status_code == 503
    assert answer.json["code"] == "placement_changed"
    assert int(answer.headers["Retry-After"]) >= 1
    monkeypatch.undo()
    with app.app_context():
        directory().forget(member.tenant.id)
    assert member.get("/me").status_code == 200


def test_a_suspended_tenant_is_refused_at_once(app: Flask, member: Member) -> None:
    assert member.get("/me").status_code == 200
    cached = state_of(app).directory._entries
    before = cached.get(member.tenant.slug)
    with app.app_context():
        suspend_tenant(member.tenant.slug)
    # Another worker still has the tenant cached as active; there the guard refuses.
    cached.put(member.tenant.slug, before)

    answer = member.get("/me")

    assert answer.status_code == 403
    assert answer.json["detail"] == "You have no access to this tenant."
    with app.app_context():
        resume_tenant(member.tenant.slug)
        directory().forget(member.tenant.id)
    assert member.get("/me").status_code == 200
