"""An invalid bearer token gets a 401 at once, and is not logged."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from crafted_tokens import AUDIENCE, ISSUER, TENANT_CLAIM, Keys, make_claims, sign
from flask import Flask
from members import Member
from test_token_attacks import attacks

from trially import create_app
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.auth.tokens import TokenVerifier
from trially.config import Settings
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

INVALID = 'Bearer realm="trially", error="invalid_token"'


@pytest.fixture(scope="module")
def trusting(app: Flask, settings: Settings) -> Flask:
    """An app that trusts the issuer of the crafted tokens."""
    other = create_app(replace(settings, dev_issuer=False))
    profile = IssuerProfile(issuer=ISSUER, audiences=(AUDIENCE,), keys=Keys())
    state_of(other).token_verifier = TokenVerifier({ISSUER: profile})
    return other


def test_every_attack_is_401_and_not_logged(
    trusting: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    client, tried = trusting.test_client(), 0
    caplog.set_level(logging.DEBUG)

    for attack in attacks():
        token = attack.values[0]()
        if not token.strip() or not token.isprintable() or not token.isascii():
            continue
        caplog.clear()
        answer = client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID), attack.id
        assert len(token) < 20 or token[:200] not in caplog.text, attack.id
        tried += 1

    assert tried > 150


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(-360, 401), (-300, 401), (-20, 403), (0, 403), (20, 403), (300, 401), (360, 401)],
)
def test_an_issuers_clock_may_be_off_by_the_leeway(
    trusting: Flask, seconds: int, status: int
) -> None:
    now = int(time.time()) + seconds
    token = sign(make_claims(iat=now, exp=now + 10 if seconds < 0 else now + 300))

    answer = trusting.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    # 403: the token is valid, and its tenant does not exist.
    assert answer.status_code == status


def test_a_subject_of_another_issuer_is_someone_else(
    app: Flask, settings: Settings, tenant: Tenant
) -> None:
    other = create_app(replace(settings, dev_issuer=False))
    issuers = (ISSUER, "https://other.example.test")
    state_of(other).token_verifier = TokenVerifier(
        {
            issuer: IssuerProfile(issuer=issuer, audiences=(AUDIENCE,), keys=Keys())
            for issuer in issuers
        }
    )
    with app.app_context(), tenant_context(tenant.slug):
        add_member("auth0|alice", Role.VIEWER, issuer=ISSUER)

    statuses = []
    for issuer in issuers:
        token = sign(make_claims(iss=issuer, **{TENANT_CLAIM: tenant.slug}))
        answer = other.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        statuses.append(answer.status_code)

    assert statuses == [200, 403]


@pytest.mark.parametrize(
    "send",
    [
        lambda client, token: client.get(f"/api/v1/me?access_token={token}"),
        lambda client, token: client.post("/api/v1/patients", data={"access_token": token}),
        lambda client, token: client.post("/api/v1/patients", json={"access_token": token}),
        lambda client, token: client.get("/api/v1/me", headers={"Authorization": token}),
        lambda client, token: client.get("/api/v1/me", headers={"Authorization": f"DPoP {token}"}),
    ],
    ids=["query", "form", "json", "no-scheme", "other-scheme"],
)
def test_a_token_is_read_from_its_header_only(
    app: Flask, shared_member: Member, send: Callable[..., Any]
) -> None:
    answer = send(app.test_client(), shared_member.token)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trially"'
