"""A token allows some tenants, as its issuer's profile defines; the request chooses one of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from crafted_tokens import AUDIENCE, ISSUER, TENANT_CLAIM, Keys, make_claims, sign
from flask import Flask
from sqlalchemy import delete
from werkzeug.test import TestResponse

from trially import create_app
from trially.auth.connections import add_connection
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.members.managing import add_member, remove_member, rewrite_index
from trially.auth.resolvers import (
    AudienceResolver,
    ClaimResolver,
    ConnectionResolver,
    MembershipResolver,
)
from trially.auth.roles import Role
from trially.auth.tokens import TokenVerifier
from trially.config import Settings
from trially.state import state_of
from trially.tenancy.catalog import MembershipIndex, Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.status import suspend_tenant

SUBJECT = "auth0|alice"
REQUEST_ID = ("X-Request-ID", "fixed")


@pytest.fixture(scope="module")
def other_app(app: Flask, settings: Settings) -> Flask:
    """An app on the same installation, with profiles of its own."""
    other = create_app(replace(settings, dev_issuer=False))
    other.testing = True
    return other


@pytest.fixture
def trust(other_app: Flask) -> Iterator[Callable[..., None]]:
    """Trust one issuer, with a profile that has these options."""

    def change(**options: Any) -> None:
        profile = IssuerProfile(issuer=ISSUER, audiences=(AUDIENCE,), keys=Keys(), **options)
        state_of(other_app).token_verifier = TokenVerifier({ISSUER: profile})

    change()
    yield change
    change()


@pytest.fixture(scope="module")
def two(app: Flask, make_tenant: Callable[..., Tenant]) -> list[Tenant]:
    """Two tenants that the subject is a member of."""
    tenants = [make_tenant(), make_tenant()]
    for tenant in tenants:
        join(app, tenant)
    return tenants


@pytest.fixture
def ask(other_app: Flask, trust: Callable[..., None]) -> Callable[..., TestResponse]:
    def get(
        chosen: str | None = None,
        path: str = "/api/v1/me",
        json: dict[str, str] | None = None,
        **claims: Any,
    ) -> TestResponse:
        """Send a GET, or a POST of `json`."""
        token = sign(make_claims(**{"sub": SUBJECT, **claims}))
        headers = [REQUEST_ID, ("Authorization", f"Bearer {token}")]
        if chosen is not None:
            headers.append(("X-Tenant-ID", chosen))
        method = "GET" if json is None else "POST"
        return other_app.test_client().open(path, method=method, headers=headers, json=json)

    return get


def join(app: Flask, tenant: Tenant, subject: str = SUBJECT, role: Role = Role.VIEWER) -> None:
    with app.app_context(), tenant_context(tenant.slug):
        add_member(subject, role, issuer=ISSUER)


def picture(answer: TestResponse) -> tuple[Any, ...]:
    headers = [header for header in answer.headers if header[0] != "traceparent"]
    return answer.status_code, answer.data, tuple(sorted(headers))


def tenant_of(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.json
    return str(answer.json["tenant"]["id"])


def test_a_token_for_several_tenants_needs_a_choice(ask: Any, two: list[Tenant]) -> None:
    slugs = [tenant.slug for tenant in two]
    claims = {TENANT_CLAIM: slugs}

    unchosen = ask(**claims)

    assert unchosen.json == {
        "type": "/problems/bad-request",
        "code": "tenant_choice_required",
        "title": "Bad request",
        "status": 400,
        "detail": "The token is valid for several tenants. Choose one with X-Tenant-ID.",
        "request_id": "fixed",
    }
    for tenant in two:
        for name in (tenant.slug, str(tenant.id)):
            assert tenant_of(ask(name, **claims)) == str(tenant.id)
        assert tenant_of(ask(path=f"/{tenant.slug}/api/v1/me", **claims)) == str(tenant.id)
        both = ask(tenant.slug, path=f"/{tenant.slug}/api/v1/me", **claims)
        assert tenant_of(both) == str(tenant.id)


def test_one_tenant_by_two_names_is_one(ask: Any, two: list[Tenant]) -> None:
    ours = two[0]

    assert tenant_of(ask(**{TENANT_CLAIM: [ours.slug, str(ours.id)]})) == str(ours.id)
    assert tenant_of(ask(**{TENANT_CLAIM: [ours.slug, "there-is-none"]})) == str(ours.id)


def test_all_forbidden_choices_get_the_same_response(
    app: Flask, ask: Any, two: list[Tenant], make_tenant: Callable[..., Tenant]
) -> None:
    (ours, other), foreign, suspended = two, make_tenant(), make_tenant()
    join(app, suspended)
    with app.app_context():
        suspend_tenant(suspended.slug)
    slugs = [ours.slug, other.slug, suspended.slug]
    refusal = picture(ask(str(uuid4()), **{TENANT_CLAIM: ours.slug}))

    assert refusal[0] == 403
    for claim in (slugs, ours.slug, [ours.slug]):
        for chosen in (foreign.slug, str(foreign.id), "", "*", suspended.slug, "there-is-none"):
            assert picture(ask(chosen, **{TENANT_CLAIM: claim})) == refusal
        for slug in (foreign.slug, suspended.slug, "there-is-none"):
            answer = ask(path=f"/{slug}/api/v1/me", **{TENANT_CLAIM: claim})
            assert picture(answer) == refusal
        disagreeing = ask(ours.slug, path=f"/{other.slug}/api/v1/me", **{TENANT_CLAIM: claim})
        assert picture(disagreeing) == refusal
    for claim in ([], [1], ["a"] * 101, {}, [None], [slugs], [foreign.slug, suspended.slug]):
        assert picture(ask(**{TENANT_CLAIM: claim})) == refusal


def test_a_path_with_a_prefix_reveals_nothing_to_strangers(other_app: Flask, two: Any) -> None:
    client = other_app.test_client()
    paths = (f"/{two[0].slug}/api/v1/me", "/there-is-none/api/v1/me", "/api/v1/me")

    answers = [picture(client.get(path, headers=[REQUEST_ID])) for path in paths]

    assert answers[0][0] == 401
    assert answers == answers[:1] * 3
    for path in (f"/{two[0].slug}/livez", f"/{two[0].slug}//api/v1/me", f"//{two[0].slug}/api/x"):
        assert client.get(path).status_code == 404


def test_a_claim_may_be_inside_objects(ask: Any, trust: Any, two: list[Tenant]) -> None:
    trust(resolver=ClaimResolver(("app", "tenants")))

    assert tenant_of(ask(app={"tenants": [two[1].slug]})) == str(two[1].id)
    for claim in (two[1].slug, {}, {"tenants": {two[1].slug: 1}}, [{"tenants": two[1].slug}], None):
        assert ask(app=claim).status_code == 403


def test_entries_of_the_audience_may_be_tenants(ask: Any, trust: Any, two: list[Tenant]) -> None:
    trust(resolver=AudienceResolver())
    assert tenant_of(ask(aud=[AUDIENCE, two[0].slug])) == str(two[0].id)
    assert ask(aud=[AUDIENCE, *(tenant.slug for tenant in two)]).status_code == 400
    assert ask(aud=AUDIENCE).status_code == 403
    assert ask(aud=[two[0].slug]).status_code == 401

    trust(resolver=AudienceResolver("tenant:"))
    assert tenant_of(ask(aud=[AUDIENCE, two[1].slug, f"tenant:{two[0].slug}"])) == str(two[0].id)
    assert ask(aud=[AUDIENCE, two[0].slug]).status_code == 403


def test_a_connection_may_name_the_tenant(
    app: Flask, ask: Any, trust: Any, two: list[Tenant]
) -> None:
    trust(resolver=ConnectionResolver("azp", max_age_seconds=0))
    with app.app_context():
        add_connection(two[0].slug, "con_first")

    assert tenant_of(ask(azp="con_first")) == str(two[0].id)
    for connection in ("con_other", two[0].slug, "", "con_first\0", ["con_first"], 1, None):
        assert ask(azp=connection).status_code == 403


def test_memberships_may_name_the_tenants(
    app: Flask, ask: Any, trust: Any, make_tenant: Callable[..., Tenant]
) -> None:
    trust(resolver=MembershipResolver(max_age_seconds=0))
    first, second = make_tenant(), make_tenant()
    subject = "auth0|carol"

    assert ask(sub=subject).status_code == 403
    join(app, first, subject)
    assert tenant_of(ask(sub=subject)) == str(first.id)
    join(app, second, subject)
    assert ask(sub=subject).status_code == 400
    assert tenant_of(ask(second.slug, sub=subject)) == str(second.id)
    with app.app_context(), tenant_context(first.slug):
        remove_member(subject, ISSUER)
    assert tenant_of(ask(sub=subject)) == str(second.id)
    assert ask(sub="auth0|nobody").status_code == 403


def test_an_invitation_does_not_change_which_tenant_a_token_is_for(
    app: Flask, ask: Any, trust: Any, make_tenant: Callable[..., Tenant]
) -> None:
    """A tenant could otherwise disturb how members of another one sign in."""
    trust(resolver=MembershipResolver(max_age_seconds=0))
    own, inviting, third = make_tenant(), make_tenant(), make_tenant()
    subject = "auth0|frida"
    join(app, own, subject)
    join(app, inviting, "auth0|owner", Role.OWNER)
    invited = ask(
        path="/api/v1/invitations",
        json={"issuer": ISSUER, "subject": subject, "role": "viewer"},
        sub="auth0|owner",
    )
    assert invited.status_code == 201, invited.text

    assert tenant_of(ask(sub=subject)) == str(own.id)
    assert ask(third.slug, sub=subject).status_code == 403
    assert tenant_of(ask(inviting.slug, sub=subject)) == str(inviting.id)
    assert ask(sub=subject).status_code == 400
    assert tenant_of(ask(own.slug, sub=subject)) == str(own.id)


def test_the_member_index_can_be_rebuilt(
    app: Flask, ask: Any, trust: Any, make_tenant: Callable[..., Tenant]
) -> None:
    trust(resolver=MembershipResolver(max_age_seconds=0))
    tenant, gone = make_tenant(), "auth0|gone"
    join(app, tenant, "auth0|dora")
    with app.app_context():
        with catalog_transaction() as session:
            session.execute(delete(MembershipIndex).where(MembershipIndex.tenant_id == tenant.id))
            session.add(MembershipIndex(issuer=ISSUER, subject=gone, tenant_id=tenant.id))
        assert ask(sub="auth0|dora").status_code == 403
        with tenant_context(tenant.slug):
            assert rewrite_index() == 1

    assert tenant_of(ask(sub="auth0|dora")) == str(tenant.id)
    assert ask(sub=gone).status_code == 403


def test_an_issuer_speaks_for_its_tenants_only(ask: Any, trust: Any, two: list[Tenant]) -> None:
    ours, foreign = two
    refusal = picture(ask(str(uuid4()), **{TENANT_CLAIM: ours.slug}))

    for names in ({ours.slug}, {str(ours.id)}):
        trust(tenants=frozenset(names))
        assert tenant_of(ask(**{TENANT_CLAIM: ours.slug})) == str(ours.id)
        assert tenant_of(ask(**{TENANT_CLAIM: [ours.slug, foreign.slug]})) == str(ours.id)
        for claim in (foreign.slug, str(foreign.id), [foreign.slug]):
            assert picture(ask(**{TENANT_CLAIM: claim})) == refusal
        assert picture(ask(foreign.slug, **{TENANT_CLAIM: [ours.slug, foreign.slug]})) == refusal
