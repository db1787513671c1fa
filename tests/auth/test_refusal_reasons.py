"""The log says why a token was refused. In development the response says it too."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from crafted_tokens import AUDIENCE, ISSUER, Keys, make_claims, sign
from flask import Flask
from members import Member
from test_token_attacks import attacks

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.token_errors import HINTS, REASONS, TokenError
from trially.auth.tokens import TokenVerifier
from trially.observability import logs
from trially.state import state_of
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant

Send = Callable[..., tuple[Any, dict[str, Any], str]]


@pytest.fixture
def trusted(app: Flask) -> Iterator[Flask]:
    """The app, which also trusts the issuer of the crafted tokens."""
    before = state_of(app).token_verifier
    profile = IssuerProfile(issuer=ISSUER, audiences=(AUDIENCE,), keys=Keys())
    state_of(app).token_verifier = TokenVerifier({ISSUER: profile})
    yield app
    state_of(app).token_verifier = before


@pytest.fixture(params=[True, False], ids=["development", "production"])
def in_development(app: Flask, request: pytest.FixtureRequest) -> Iterator[bool]:
    before = state_of(app).settings
    state_of(app).settings = replace(before, development=request.param)
    yield request.param
    state_of(app).settings = before


@pytest.fixture
def send(app: Flask) -> Iterator[Send]:
    """Send a request, and return the response, its line in the log, and the whole log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs._formatter(is_for_people=False))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)

    def send(token: str | None, **headers: str) -> tuple[Any, dict[str, Any], str]:
        stream.seek(0)
        stream.truncate()
        given = {} if token is None else {"Authorization": f"Bearer {token}"}
        response = app.test_client().get("/api/v1/me", headers={**given, **headers})
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        (line,) = [line for line in lines if line["event"] == "request"]
        return response, line, stream.getvalue()

    yield send
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.usefixtures("trusted")
def test_every_rejected_token_has_a_reason(send: Send, in_development: bool) -> None:
    reasons = set()
    for attack in attacks():
        token = attack.values[0]()
        if not token.strip() or not token.isprintable() or not token.isascii():
            continue
        response, line, log = send(token)

        assert response.status_code == 401
        assert line["refusal"] in REASONS, attack.id
        assert response.json["detail"] == "The token is invalid."
        assert (response.json.get("reason") == line["refusal"]) is in_development, attack.id
        assert ("hint" in response.json) is in_development
        assert len(token) < 20 or token not in log
        assert "auth0|" not in log
        reasons.add(line["refusal"])

    assert reasons >= {
        *("expired", "not_yet_valid", "unknown_issuer", "wrong_audience", "unknown_key"),
        *("bad_signature", "wrong_type", "malformed", "wrong_algorithm", "bad_subject"),
    }


@pytest.mark.usefixtures("trusted")
def test_in_development_the_accepted_values_are_named(send: Send) -> None:
    issuer, _, _ = send(sign(make_claims(iss="http://127.0.0.1:1/dev-issuer")))
    audience, _, _ = send(sign(make_claims(aud="https://other.example")))

    assert ISSUER in issuer.json["hint"]
    assert AUDIENCE in audience.json["hint"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing"),
        ({"Authorization": "DPoP abc"}, "wrong_scheme"),
        ({"Authorization": "abc"}, "wrong_scheme"),
        ({"Authorization": "Bearer "}, "missing"),
        ({"Authorization": "Bearer"}, "missing"),
    ],
)
def test_a_request_without_a_bearer_token_has_a_reason(
    send: Send, in_development: bool, headers: dict[str, str], reason: str
) -> None:
    response, line, _ = send(None, **headers)

    assert (response.status_code, response.json["code"]) == (401, "missing_token")
    assert line["refusal"] == reason
    assert (response.json.get("reason") == reason) is in_development


@pytest.mark.usefixtures("trusted")
def test_unavailable_keys_are_a_reason(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: TokenVerifier, _raw: str) -> None:
        from trially.auth.token_errors import UnverifiableTokenError

        raise UnverifiableTokenError(ISSUER)

    monkeypatch.setattr(TokenVerifier, "verify", fail)

    response, line, _ = send("x")

    assert (response.status_code, line["refusal"]) == (503, "keys_unavailable")
    assert response.json["reason"] == "keys_unavailable"


def test_the_log_says_why_a_tenant_is_refused_and_the_response_does_not(
    app: Flask, send: Send, shared_member: Member, as_member: Callable[..., Member]
) -> None:
    issue = state_of(app).dev_issuer.issue_token
    member, slug = shared_member.subject, shared_member.tenant.slug
    cases = {
        "no_member": send(issue(subject="stranger|9", tenant=slug)),
        "unknown_tenant": send(issue(subject=member, tenant="nowhere")),
        "no_tenant_in_token": send(issue(subject=member, tenant=None)),
        "tenant_not_in_token": send(shared_member.token, **{"X-Tenant-ID": "nowhere"}),
    }
    with app.app_context():
        suspend_tenant(slug)
    cases["suspended_tenant"] = send(shared_member.token)
    with app.app_context():
        resume_tenant(slug)

    assert {reason: line["refusal"] for reason, (_, line, _) in cases.items()} == {
        reason: reason for reason in cases
    }
    problems = [
        {name: value for name, value in response.json.items() if name != "request_id"}
        for response, _, _ in cases.values()
    ]
    assert {response.status_code for response, _, _ in cases.values()} == {403}
    assert all(problem == problems[0] for problem in problems)
    assert "refusal" in problems[0]["hint"]
    assert all("stranger|9" not in log for _, _, log in cases.values())


def test_an_accepted_request_has_no_refusal(send: Send, shared_member: Member) -> None:
    response, line, _ = send(shared_member.token, Origin="http://localhost:3000")

    assert response.status_code == 200
    assert not {"refusal", "refused_origin"} & line.keys()


@pytest.mark.parametrize(
    ("origin", "logged"),
    [
        ("http://localhost:3001", "http://localhost:3001"),
        ("https://app.example.org", "https://app.example.org"),
        ("http://LOCALHOST:3000", "http://LOCALHOST:3000"),
        ("null", "other"),
        ("https://" + "a" * 200, "other"),
        ("https://x.example/Jane Doe", "other"),
    ],
)
def test_a_refused_origin_is_in_the_log(
    send: Send, shared_member: Member, origin: str, logged: str
) -> None:
    response, line, _ = send(shared_member.token, Origin=origin)

    assert "Access-Control-Allow-Origin" not in response.headers
    assert line["refused_origin"] == logged


def test_own_pages_are_no_refused_origin(send: Send, shared_member: Member) -> None:
    _, line, _ = send(shared_member.token, Origin="http://localhost")

    assert "refused_origin" not in line


def test_every_reason_in_the_code_has_a_hint() -> None:
    from pathlib import Path

    import trially.auth

    (folder,) = map(Path, trially.auth.__path__)
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    raised = {part.partition('"')[0] for part in source.split(f'{TokenError.__name__}("')[1:]}

    assert len(raised) > 10
    assert raised <= REASONS
    # A quotation mark or a backslash would end the quoted text in WWW-Authenticate.
    assert not [hint for hint in HINTS.values() if '"' in hint or "\\" in hint]
