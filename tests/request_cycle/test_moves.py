"""A tenant moves while it is served: requests wait, and what they were told before stays true."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from cycle_views import sites
from flask import Flask
from members import AsMember, MakeTenant, Member
from moves import during_a_move, locked_out, switch, switch_to_copy
from tenant_databases import ask_in
from werkzeug.test import TestResponse

from trially.state import state_of
from trially.tenancy.catalog import Tenant, Tier

Switch = Callable[[Flask, Tenant], object]


@pytest.fixture(scope="module")
def moved(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> Member:
    return as_member(make_tenant(tier))


def test_requests_wait_and_then_succeed_once(app: Flask, moved: Member) -> None:
    before = sites(moved)

    def create(name: str) -> TestResponse:
        return moved.through(app).post("/sites", json={"name": name})

    names = [f"site {number}" for number in range(3)]
    answers = during_a_move(app, moved.tenant, *(partial(create, name) for name in names))

    assert [each.status_code for each in answers] == [201] * 3
    assert sorted(sites(moved)) == sorted([*before, *names])


def test_a_read_waits_too(app: Flask, moved: Member) -> None:
    [answer] = during_a_move(app, moved.tenant, lambda: moved.through(app).get("/sites"))

    assert answer.status_code == 200


def test_a_request_waits_no_longer_than_it_may(
    app: Flask, moved: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(state_of(app).settings, request_timeout_ms=300)
    monkeypatch.setattr(state_of(app), "settings", settings)
    before = sites(moved)

    with locked_out(app, moved.tenant):
        answer = moved.post("/sites", json={"name": "too late"})

    assert (answer.status_code, answer.json["code"]) == (503, "request_timeout")
    assert sites(moved) == before


def test_answers_of_before_are_valid_after(app: Flask, moved: Member) -> None:
    _check_answers_of_before(app, moved, switch)


def test_answers_of_before_are_valid_in_another_database(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    member = as_member(make_tenant(Tier.DEDICATED_DATABASE))
    _check_answers_of_before(app, member, switch_to_copy)

    # The database of before has the rows of before.
    names = ask_in(app, member.tenant, "SELECT name FROM tenant.site ORDER BY name")
    assert names == [("one",), ("two",)]


def _check_answers_of_before(app: Flask, member: Member, move: Switch) -> None:
    """Check replays, cursors, ETags and tokens that a tenant gave out before it moved."""
    key = {"Idempotency-Key": "before-the-move"}
    created = member.post("/sites", json={"name": "one"}, headers=key)
    member.post("/sites", json={"name": "two"})
    path = created.headers["Location"]
    shown = member.get(path)
    page = member.get("/sites?limit=1")
    before = sites(member)

    move(app, member.tenant)

    replayed = member.post("/sites", json={"name": "one"}, headers=key)
    assert (replayed.status_code, replayed.data) == (201, created.data)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert replayed.headers["ETag"] == created.headers["ETag"]
    assert sites(member) == before
    other = member.post("/sites", json={"name": "other"}, headers=key)
    assert other.json["code"] == "idempotency_key_reused"
    following = member.get(f"/sites?limit=1&cursor={page.json['page']['next']}")
    assert following.status_code == 200
    assert following.json["data"] != page.json["data"]
    same = member.get(path, headers={"If-None-Match": shown.headers["ETag"]})
    assert same.status_code == 304
    match = {"If-Match": shown.headers["ETag"]}
    assert member.patch(path, json={"name": "in the new place"}, headers=match).status_code == 200
    assert member.patch(path, json={"name": "lost"}, headers=match).status_code == 412
