"""The token names a request's tenant; all other ways to name one get the same refusal."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import AsMember, MakeTenant
from populated_tenants import PopulatedTenant
from walls import Wall
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from trially import request_cycle
from trially.auth.roles import Role
from trially.database.session import db
from trially.keys.api_keys import new_api_key
from trially.request_cycle import refusal_time
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant

FIXED = ("X-Request-ID", "fixed")


def ask(app: Flask, *headers: tuple[str, str], path: str = "/api/v1/me", **options: Any) -> Any:
    return app.test_client().get(path, headers=Headers([FIXED, *headers]), **options)


def content_of(answer: TestResponse) -> tuple[Any, ...]:
    # The trace id is random.
    headers = sorted((name, value) for name, value in answer.headers if name != "traceparent")
    return answer.status_code, answer.data, tuple(headers)


@pytest.fixture(scope="module")
def refusal(app: Flask, attacker: PopulatedTenant) -> tuple[Any, ...]:
    """The response to a member who names a tenant that does not exist."""
    answer = ask(app, bearer(attacker), ("X-Tenant-ID", str(uuid4())))
    assert answer.status_code == 403
    assert answer.json["detail"] == "You have no access to this tenant."
    return content_of(answer)


def bearer(tenant: PopulatedTenant) -> tuple[str, str]:
    return "Authorization", f"Bearer {tenant.member.token}"


@pytest.fixture(scope="module", params=["token", "API key"])
def credential(request: pytest.FixtureRequest, attacker: PopulatedTenant) -> tuple[str, str]:
    """The header of a request of the attacker: with a token, and with an API key."""
    return bearer(attacker) if request.param == "token" else with_key(attacker)


def with_key(tenant: PopulatedTenant) -> tuple[str, str]:
    """Return the header with a new API key of a tenant's member."""
    body = {"name": "A test", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}
    return "Authorization", f"Bearer {tenant.member.post('/api-keys', json=body).json['key']}"


@pytest.mark.usefixtures("short_refusal_delay")
@pytest.mark.parametrize("header", ["X-Tenant-ID", "x-tenant-id", "X-TENANT-ID", "X-Tenant-Id"])
@pytest.mark.parametrize(
    "value",
    [
        "{victim}",
        "{their_id}",
        "{attacker},{victim}",
        "{victim},{attacker}",
        "{attacker}, {attacker}",
        "{attacker};{victim}",
        " {victim}",
        "{attacker} ",
        "{attacker}\t",
        "{victim}\xa0",
        "{OURS}",
        "{THEIR_ID}",
        "",
        "*",
        "null",
        "%00",
        "' OR ''='",
        "../{victim}",
        "urn:uuid:{our_id}",
    ],
)
def test_a_header_that_does_not_agree_is_refused(
    app: Flask,
    credential: tuple[str, str],
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    refusal: Any,
    record_wall: Callable[..., None],
    header: str,
    value: str,
) -> None:
    our, their = attacker.member.tenant, victim.member.tenant
    named = value.format(
        attacker=our.slug,
        OURS=our.slug.upper(),
        our_id=our.id,
        victim=their.slug,
        their_id=their.id,
        THEIR_ID=str(their.id).upper(),
    )

    assert content_of(ask(app, credential, (header, named))) == refusal
    record_wall("names another tenant in a header", Wall.TOKEN)


def test_two_headers_are_refused(
    app: Flask,
    credential: tuple[str, str],
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    refusal: Any,
) -> None:
    our, their = attacker.member.tenant.slug, victim.member.tenant.slug

    for first, second in ((our, their), (their, our), (our, our), (our, "")):
        answer = ask(app, credential, ("X-Tenant-ID", first), ("x-tenant-id", second))
        assert content_of(answer) == refusal


def test_a_header_that_agrees_changes_nothing(
    app: Flask, credential: tuple[str, str], attacker: PopulatedTenant
) -> None:
    tenant = attacker.member.tenant

    for named in (tenant.slug, str(tenant.id)):
        assert ask(app, credential, ("X-Tenant-ID", named)).json["tenant"]["slug"] == tenant.slug


@pytest.mark.parametrize(
    "header",
    [
        "Host",
        "X-Forwarded-Host",
        "X-Forwarded-Prefix",
        "Forwarded",
        "X-Original-URL",
        "X-Tenant",
        "Tenant",
        "Tenant-ID",
        "X-Rewrite-URL",
        "X-Forwarded-User",
        "Cookie",
        "Referer",
        "Origin",
    ],
)
def test_other_headers_name_no_tenant(
    app: Flask,
    credential: tuple[str, str],
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    header: str,
) -> None:
    their = victim.member.tenant
    value = {
        "Host": f"{their.slug}.localhost",
        "Forwarded": f"host={their.slug}.localhost",
        "Cookie": f"tenant={their.slug}; access_token={victim.member.token}",
    }.get(header, their.slug)

    answer = ask(app, credential, (header, value))

    assert answer.json["tenant"]["id"] == str(attacker.member.tenant.id)


@pytest.mark.usefixtures("short_refusal_delay")
def test_tokens_for_no_tenant_get_the_same_refusal(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    refusal: Any,
    as_member: AsMember,
    make_tenant: MakeTenant,
    tier: Tier,
    record_wall: Callable[..., None],
) -> None:
    suspended = as_member(make_tenant(tier), Role.OWNER)
    assert suspended.get("/me").status_code == 200
    with app.app_context():
        suspend_tenant(suspended.tenant.slug)
    issue = state_of(app).dev_issuer.issue_token
    theirs_slug = victim.member.tenant.slug
    tokens = {
        "no claim": issue(subject=attacker.member.subject, tenant=None),
        "unknown slug": issue(subject=attacker.member.subject, tenant="there-is-none"),
        "unknown id": issue(subject=attacker.member.subject, tenant=str(uuid4())),
        "suspended": suspended.token,
        "suspended, no member": issue(subject="nobody", tenant=suspended.tenant.slug),
        "not a member": issue(subject=attacker.member.subject, tenant=theirs_slug),
        "NUL": issue(subject=attacker.member.subject, tenant=f"{theirs_slug}\x00"),
        "list": issue(subject=attacker.member.subject, tenant=[theirs_slug]),  # type: ignore[arg-type]
        "number": issue(subject=attacker.member.subject, tenant=1),  # type: ignore[arg-type]
        "empty": issue(subject=attacker.member.subject, tenant=""),
        "wildcard": issue(subject=attacker.member.subject, tenant="%"),
        "comma": issue(subject="x", tenant=f"{theirs_slug},{attacker.member.tenant.slug}"),
        "case": issue(subject=victim.member.subject, tenant=theirs_slug.upper()),
        "full width": issue(subject=victim.member.subject, tenant="\uff54" + theirs_slug[1:]),
        "SQL": issue(subject=attacker.member.subject, tenant="' OR true --"),
    }

    for kind, token in tokens.items():
        for path in ("/api/v1/me", f"/api/v1/patients/{victim.ids['patient_id']}"):
            answer = ask(app, ("Authorization", f"Bearer {token}"), path=path)
            assert content_of(answer) == refusal, kind
    record_wall("sends a token for a tenant without being its member", Wall.MEMBERSHIP)

    with app.app_context():
        resume_tenant(suspended.tenant.slug)
    assert suspended.get("/me").status_code == 200


def test_all_refusals_of_strangers_take_the_same_time(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    as_member: AsMember,
    make_tenant: MakeTenant,
    tier: Tier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suspended, viewer = as_member(make_tenant(tier)), as_member(attacker.member.tenant, Role.VIEWER)
    with app.app_context():
        suspend_tenant(suspended.tenant.slug)
    issue = state_of(app).dev_issuer.issue_token
    strangers = [
        suspended.token,
        issue(subject="nobody", tenant="there-is-none"),
        issue(subject="nobody", tenant=suspended.tenant.slug),
        issue(subject="nobody", tenant=victim.member.tenant.slug),
    ]
    clock, waits = itertools.count(step=0.02), []

    def wait(seconds: float) -> None:
        waits.append((round(seconds, 3), db.session.registry.has()))

    monkeypatch.setattr(
        refusal_time, "time", SimpleNamespace(perf_counter=lambda: next(clock), sleep=wait)
    )
    monkeypatch.setattr(request_cycle, "time", refusal_time.time)

    answers = [ask(app, ("Authorization", f"Bearer {token}")) for token in strangers]
    granted = [viewer.get("/me"), viewer.post("/sites", json={"name": "Mine"})]

    # The refusal came 0.02 s after the token, so 0.03 s of delay remain, without a session.
    assert [answer.status_code for answer in answers] == [403] * 4
    assert waits == [(0.03, False)] * 4
    assert [answer.status_code for answer in granted] == [200, 403]


def test_a_subject_is_a_member_with_its_issuer_only(
    app: Flask, attacker: PopulatedTenant, refusal: Any
) -> None:
    issue = state_of(app).dev_issuer.issue_token
    tenant, subject = attacker.member.tenant.slug, attacker.member.subject

    for near in (subject.upper(), f"{subject}%", "%", subject[:-1], "x" * 255):
        answer = ask(app, ("Authorization", f"Bearer {issue(subject=near, tenant=tenant)}"))
        assert content_of(answer) == refusal, near


@pytest.fixture
def in_production(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the app answer as in production. In development it tells a caller about its own token."""
    settings = replace(state_of(app).settings, development=False)
    monkeypatch.setattr(state_of(app), "settings", settings)


@pytest.mark.usefixtures("in_production")
def test_requests_without_a_token_get_401(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    token = attacker.member.token
    none = [
        ask(app),
        ask(app, ("Authorization", "")),
        ask(app, ("Authorization", "Bearer")),
        ask(app, ("Authorization", "Bearer ")),
        ask(app, ("Authorization", f"Basic {token}")),
        ask(app, ("Authorization", token)),
        ask(app, ("Cookie", f"access_token={token}")),
        ask(app, ("X-Access-Token", token)),
        ask(app, ("Proxy-Authorization", f"Bearer {token}")),
        ask(app, path=f"/api/v1/me?access_token={token}"),
        *(
            ask(app, ("X-Tenant-ID", slug))
            for slug in (
                attacker.tenant.slug,
                victim.tenant.slug,
                *(f"slug-{n}" for n in range(1000)),
            )
        ),
    ]

    assert {content_of(answer) for answer in none} == {content_of(none[0])}
    assert none[0].status_code == 401
    assert none[0].headers["WWW-Authenticate"] == 'Bearer realm="trially"'
    record_wall("tries slugs without a token", Wall.TOKEN)


@pytest.mark.usefixtures("in_production")
def test_bad_tokens_get_the_same_refusal(app: Flask, attacker: PopulatedTenant) -> None:
    token = attacker.member.token
    header, payload, signature = token.split(".")
    bad = [
        "x",
        "a.b.c",
        token[:-8],
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
        f"{token},Bearer {token}",
        f" {token}",
        f"{token} {token}",
        token + "\xa0",
        "x" * 20_000,
    ]
    answers = [ask(app, ("Authorization", f"Bearer {one}")) for one in bad]
    answers.append(ask(app, *[("Authorization", f"Bearer {token}")] * 2))
    name, sent = with_key(attacker)
    key = sent.removeprefix("Bearer ")
    stranger = new_api_key(uuid4(), uuid4()).text
    unknown = new_api_key(attacker.member.tenant.id, uuid4()).text
    keys = ("trk_", key[:-1], key[:-1] + "!", f"{key}{token}", key.upper(), stranger, unknown)
    answers.extend(ask(app, (name, f"Bearer {one}")) for one in keys)

    assert {content_of(answer) for answer in answers} == {content_of(answers[0])}
    assert answers[0].status_code == 401
    assert answers[0].headers["WWW-Authenticate"] == 'Bearer realm="trially", error="invalid_token"'


PUBLIC = {"branding.show_branding", "branding.show_logo"}
"""They show what a web app needs before anybody has signed in."""


def test_every_route_needs_a_token_unless_it_is_public(app: Flask) -> None:
    client = app.test_client()

    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and rule.endpoint not in PUBLIC:
            with app.test_request_context():
                values = {name: 1 if name == "version" else uuid4() for name in rule.arguments}
                path = rule.build(values)[1]  # type: ignore[index]
            for method in (rule.methods or set()) - {"OPTIONS"}:
                assert client.open(path, method=method).status_code == 401, rule
            # A browser's preflight has no token. Its response shows only the allowed methods.
            options = client.options(path)
            assert (options.status_code, options.data) == (200, b""), rule
