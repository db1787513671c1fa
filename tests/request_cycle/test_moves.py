"""A tenant moves while it is served: requests wait, and what they were told before stays true."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from cycle_views import sites
from flask import Flask
from members import AsMember, MakeTenant, Member
from moves import count_waiting, during_a_move, locked_out, switch, switch_to_copy, wait_for_waiting
from tenant_databases import ask_in
from werkzeug.test import TestResponse

from trially.request_cycle.retrying import prepare_retry
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

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


def test_a_tenant_that_moves_again_before_the_second_attempt(
    app: Flask, moved: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is for a request that a replica refused, and that then waited on the primary."""
    before, prepared = sites(moved), []

    def prepare(error: BaseException) -> None:
        prepare_retry(error)
        prepared.append(error)
        if len(prepared) == 1:
            switch(app, moved.tenant)

    monkeypatch.setattr("trially.request_cycle.prepare_retry", prepare)
    switch(app, moved.tenant)
    answer = moved.post("/sites", json={"name": "moved twice"})

    assert (answer.status_code, len(prepared)) == (201, 2)
    assert sorted(sites(moved)) == sorted([*before, "moved twice"])


def test_a_waiting_tenant_leaves_connections_and_threads_to_others(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    """Both tenants are in one pool, so they share a login role and its connections."""
    waiting, other = (as_member(make_tenant(Tier.POOLED_ROWS)) for _ in range(2))
    settings = state_of(app).settings
    share = math.ceil(settings.threads * settings.tenant_thread_share)

    def read(_number: int) -> TestResponse:
        return waiting.through(app).get("/sites")

    with ThreadPoolExecutor(16) as threads:
        with locked_out(app, waiting.tenant):
            answers = threads.map(read, range(16))
            wait_for_waiting(app, waiting.tenant, share)
            answered = [other.get("/sites").status_code for _ in range(5)]
            connections = count_waiting(app, waiting.tenant)
            switch(app, waiting.tenant)
        statuses = [each.status_code for each in answers]

    assert answered == [200] * 5
    assert connections == share
    # On a slow machine, those above the share may have waited for longer than they may.
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= share


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
