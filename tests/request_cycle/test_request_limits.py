"""Requests of members are counted against the limits of their tenant's plan."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Barrier, Event, Thread

import pytest
from cycle_views import ReplaceView
from flask import Flask, Response
from members import AsMember, MakeTenant, Member
from moves import switch
from prometheus_client import REGISTRY

from trially.auth.roles import Role
from trially.keys import current_keys
from trially.rate_limits.limiter import RateLimiter
from trially.request_cycle import limiting
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant

NOW = 6_000.5

Limited = Callable[..., Tenant]


@pytest.fixture(autouse=True)
def limiter(app: Flask, monkeypatch: pytest.MonkeyPatch) -> RateLimiter:
    """Count requests in one process whose clock stands still."""
    with app.app_context():
        limiter = RateLimiter(current_keys(), 1, clock=lambda: NOW)
    monkeypatch.setattr(state_of(app), "rate_limiter", limiter)
    return limiter


@pytest.fixture
def limited(app: Flask, make_tenant: MakeTenant) -> Limited:
    """Return a new tenant with limits."""

    def limited(tier: Tier = Tier.POOLED_ROWS, **limits: int) -> Tenant:
        tenant = make_tenant(tier)
        change = TenantChange(
            limits={Limit(name): most for name, most in limits.items()}, reason="A test"
        )
        with app.app_context():
            change_tenant(tenant.slug, change)
        return tenant

    return limited


@pytest.fixture
def plan_contact(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    state, contact = state_of(app), "sales@example.org"
    monkeypatch.setattr(state, "settings", replace(state.settings, plan_contact=contact))
    return contact


def test_a_tenant_is_refused_above_its_limit_and_another_is_not(
    limited: Limited, as_member: AsMember, tier: Tier
) -> None:
    tenant, other = limited(tier, requests_per_minute=4), limited(tier, requests_per_minute=4)
    members = [as_member(tenant), as_member(tenant)]

    answers = [each.get("/me") for _ in range(3) for each in members]

    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    assert as_member(other).get("/me").status_code == 200


def test_answers_say_what_is_left(limited: Limited, as_member: AsMember) -> None:
    tenant = limited(requests_per_minute=5)
    member = as_member(tenant)
    seconds = _seconds_left(tenant)

    shown, missing = member.get("/me"), member.get("/patients/no-id")

    policy = '"tenant";q=5;w=60, "member";q=3;w=60'
    assert shown.headers["RateLimit-Policy"] == policy
    assert shown.headers["RateLimit"] == f'"tenant";r=4;t={seconds}, "member";r=2;t={seconds}'
    # A path that does not exist is refused before the caller is known.
    assert missing.status_code == 404
    assert "RateLimit" not in missing.headers
    assert member.get(f"/patients/{tenant.id}").headers["RateLimit"].startswith('"tenant";r=3;')


def test_the_refusal_names_limit_window_and_whom_to_ask(
    limited: Limited, as_member: AsMember, plan_contact: str
) -> None:
    tenant = limited(requests_per_minute=3)
    first, second = as_member(tenant), as_member(tenant)
    seconds = _seconds_left(tenant)
    of_member = [first.get("/me") for _ in range(3)][-1]
    of_tenant = [second.get("/me") for _ in range(2)][-1]

    assert of_tenant.json == {
        "type": "/problems/too-many-requests",
        "code": "too_many_requests",
        "title": "Too many requests",
        "status": 429,
        "detail": "In 60 seconds, the tenant's plan allows 3 requests, and they are used. Repeat"
        f" the request after {seconds} seconds. Ask sales@example.org for more.",
        "request_id": of_tenant.json["request_id"],
        "limit": "requests_per_minute",
        "of": "tenant",
        "most": 3,
        "window_seconds": 60,
        "plan": "standard",
        "contact": plan_contact,
    }
    assert of_tenant.headers["Retry-After"] == str(seconds)
    assert of_tenant.headers["RateLimit"].startswith(f'"tenant";r=0;t={seconds}, "member";r=')
    assert (of_member.json["of"], of_member.json["most"]) == ("member", 2)
    assert of_member.json["detail"].startswith("In 60 seconds, one member may send 2 requests")


def test_callers_see_what_they_and_their_tenant_have_sent(
    limited: Limited, as_member: AsMember
) -> None:
    tenant = limited(requests_per_minute=10, concurrent_requests=4)
    member = as_member(tenant)
    as_member(tenant).get("/sites")

    limits = {each.pop("name"): each for each in member.get("/me").json["plan"]["limits"]}

    assert limits["requests_per_minute"] == {"most": 10, "used": 2, "most_of_caller": 5}
    assert limits["concurrent_requests"] == {"most": 4, "used": None, "most_of_caller": None}


def test_a_tenant_without_a_limit_gets_no_headers(as_member: AsMember, tenant: Tenant) -> None:
    answer = as_member(tenant).get("/me")

    assert "RateLimit" not in answer.headers
    assert "RateLimit-Policy" not in answer.headers


def test_who_is_no_member_spends_nothing(app: Flask, limited: Limited, as_member: AsMember) -> None:
    tenant = limited(requests_per_minute=2)
    issuer, client = state_of(app).dev_issuer, app.test_client()
    assert issuer is not None
    stranger = issuer.issue_token(subject="stranger", tenant=tenant.slug)
    tokens = ["nonsense", stranger, stranger[:-4] + "AAAA", as_member(limited()).token]

    for token in tokens * 2:
        headers = {"Authorization": f"Bearer {token}", "X-Tenant-ID": tenant.slug}
        answer = client.get("/api/v1/me", headers=headers)
        assert answer.status_code in {401, 403}
        assert "RateLimit" not in answer.headers
    client.get("/livez")

    assert as_member(tenant).get("/me").headers["RateLimit"].startswith('"tenant";r=1;')


def test_a_request_that_lacks_the_permission_is_counted(
    limited: Limited, as_member: AsMember
) -> None:
    viewer = as_member(limited(requests_per_minute=2), Role.VIEWER)

    answers = [viewer.post("/sites", json={"name": "Site"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [403, 429]


def test_a_request_that_is_tried_again_is_counted_once(
    app: Flask, limited: Limited, as_member: AsMember
) -> None:
    tenant = limited(Tier.DEDICATED_DATABASE, requests_per_minute=10)
    member = as_member(tenant)
    member.get("/me")
    switch(app, tenant)

    answer = member.get("/me")

    assert answer.status_code == 200
    assert answer.headers["RateLimit"].startswith('"tenant";r=8;')


def test_refusals_are_counted_by_tenant_and_limit(limited: Limited, as_member: AsMember) -> None:
    tenant = limited(requests_per_minute=1)
    member = as_member(tenant)

    for _ in range(3):
        member.get("/me")

    labels = {"tenant": str(tenant.id), "limit": "tenant"}
    counted = REGISTRY.get_sample_value("trially_limit_refusals_total", labels)
    others = REGISTRY.get_sample_value(
        "trially_limit_refusals_total", {"tenant": "other", "limit": "tenant"}
    )
    assert counted == 2 or (counted is None and others is not None and others >= 2)


def test_no_more_requests_run_at_once_than_the_plan_allows(
    app: Flask,
    limited: Limited,
    as_member: AsMember,
    answer_me_with: ReplaceView,
    plan_contact: str,
) -> None:
    processes = state_of(app).settings.processes
    tenant = limited(concurrent_requests=2 * processes)
    member, neighbour = as_member(tenant), as_member(limited(concurrent_requests=1))
    for each in (member, neighbour):
        each.get("/sites")
    running, may_end, statuses = Barrier(3), Event(), []

    def wait() -> Response:
        running.wait(10)
        may_end.wait(10)
        return Response(status=204)

    def send(sender: Member) -> None:
        statuses.append(sender.through(app).get("/me").status_code)

    answer_me_with(wait)
    threads = [Thread(target=send, args=(member,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    running.wait(10)
    refused, other = member.get("/sites"), neighbour.get("/sites")
    may_end.set()
    for thread in threads:
        thread.join()

    assert refused.status_code == 429
    assert {name: refused.json[name] for name in ("code", "limit", "most", "window_seconds")} == {
        "code": "too_many_requests",
        "limit": "concurrent_requests",
        "most": 2 * processes,
        "window_seconds": None,
    }
    assert refused.json["contact"] == plan_contact
    assert int(refused.headers["Retry-After"]) >= 1
    assert (other.status_code, statuses) == (200, [204, 204])
    assert member.get("/sites").status_code == 200


def _seconds_left(tenant: Tenant) -> int:
    return 60 - int((NOW + tenant.id.int % 60) % 60)


def test_a_caller_who_was_just_refused_is_refused_without_being_verified(
    app: Flask, limited: Limited, as_member: AsMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = as_member(limited(requests_per_minute=1))
    member.get("/me")
    first = member.get("/me")
    verified: list[str] = []
    verifier = state_of(app).token_verifier
    verify = verifier.verify
    monkeypatch.setattr(verifier, "verify", lambda raw: verified.append(raw) or verify(raw))

    again = member.get("/patients")

    assert verified == []
    assert (again.status_code, again.headers["RateLimit"]) == (429, first.headers["RateLimit"])
    assert again.json == first.json | {"request_id": again.json["request_id"]}


def test_a_refused_caller_is_served_as_soon_as_the_limit_is_raised(
    app: Flask, limited: Limited, as_member: AsMember
) -> None:
    tenant = limited(requests_per_minute=1)
    member = as_member(tenant)
    assert [member.get("/me").status_code for _ in range(3)] == [200, 429, 429]
    with app.app_context():
        raised = TenantChange(limits={Limit.REQUESTS_PER_MINUTE: 9}, reason="A test")
        change_tenant(tenant.slug, raised)
    state_of(app).directory.forget(tenant.id)

    time.sleep(limiting.REFUSED_SECONDS)

    assert member.get("/me").status_code == 200


def test_a_refusal_is_of_one_credential_at_one_tenant(
    app: Flask, limited: Limited, as_member: AsMember, make_tenant: MakeTenant
) -> None:
    tenant = limited(requests_per_minute=4)
    member, other = as_member(tenant), as_member(tenant)
    assert [member.get("/me").status_code for _ in range(4)] == [200, 200, 429, 429]

    named = {"X-Tenant-ID": str(tenant.id)}
    elsewhere = {"X-Tenant-ID": str(make_tenant().id)}

    assert other.get("/me").status_code == 200
    assert member.get("/me", headers=named).status_code == 429
    assert member.get("/me", headers=elsewhere).json["code"] != "too_many_requests"
