"""A cut-off rejects earlier tokens, in every process within seconds."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from members import Member
from sqlalchemy import event
from sqlalchemy.engine import Engine

from trially import create_app
from trially.auth.revocation import revoke_tokens
from trially.config import Settings
from trially.state import state_of
from trially.tenancy.directory import UnknownTenantError, directory

INVALID = 'Bearer realm="trially", error="invalid_token"'


def revoke(app: Flask, member: Member, **whose: str) -> None:
    with app.app_context():
        revoke_tokens(member.tenant.slug, **whose)


def renew(app: Flask, member: Member) -> None:
    """Give a member a token that is issued after a cut-off of just now: `iat` is in seconds."""
    time.sleep(1.05 - time.time() % 1)
    member.token = state_of(app).dev_issuer.issue_token(
        subject=member.subject, tenant=member.tenant.slug
    )


def test_everyones_tokens_from_before_are_refused(
    app: Flask, tenant: Any, as_member: Callable[..., Any], shared_member: Member
) -> None:
    ann, bob = as_member(tenant), as_member(tenant)
    assert ann.get("/me").status_code == 200

    revoke(app, ann)

    for member in (ann, bob):
        answer = member.get("/me")
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID)
        assert answer.json["detail"] == "The token is invalid."
    assert shared_member.get("/me").status_code == 200
    renew(app, ann)
    assert ann.get("/me").status_code == 200


def test_one_persons_tokens_are_refused(
    app: Flask, tenant: Any, as_member: Callable[..., Any]
) -> None:
    ann, bob, cy = (as_member(tenant) for _ in range(3))
    issuer = state_of(app).dev_issuer.url

    revoke(app, ann, subject=ann.subject)
    revoke(app, bob, subject=bob.subject, issuer=issuer)
    revoke(app, cy, subject=cy.subject, issuer="https://other.example")

    assert [member.get("/me").status_code for member in (ann, bob, cy)] == [401, 401, 200]


def test_a_later_cut_off_takes_the_place_of_an_earlier_one(
    app: Flask, tenant: Any, as_member: Callable[..., Any]
) -> None:
    ann = as_member(tenant)
    revoke(app, ann, subject=ann.subject)
    renew(app, ann)
    assert ann.get("/me").status_code == 200

    revoke(app, ann, subject=ann.subject)

    assert ann.get("/me").status_code == 401
    with app.app_context():
        assert list(directory().find(tenant.slug).cut_offs) == [("", ann.subject)]


def test_a_cut_off_is_not_revealed_to_strangers(app: Flask, tenant: Any, member: Member) -> None:
    issue = state_of(app).dev_issuer.issue_token
    headers = [
        {"Authorization": f"Bearer {issue(subject='stranger', tenant=slug)}", "X-Request-ID": "x"}
        for slug in (tenant.slug, "there-is-none")
    ]

    revoke(app, member)
    answers = [app.test_client().get("/api/v1/me", headers=each) for each in headers]

    assert answers[0].status_code == 403
    assert answers[0].data == answers[1].data


@pytest.mark.parametrize("age", [0.3])
def test_other_processes_apply_a_cut_off_once_their_cache_expires(
    app: Flask, settings: Settings, tenant: Any, as_member: Callable[..., Any], age: float
) -> None:
    assert settings.placement_max_age_seconds <= 5
    member = as_member(tenant)
    headers = {"Authorization": f"Bearer {member.token}"}
    workers = [create_app(replace(settings, placement_max_age_seconds=age)) for _ in range(2)]
    clients = [worker.test_client() for worker in workers]
    assert [client.get("/api/v1/me", headers=headers).status_code for client in clients] == [
        200
    ] * 2

    revoke(app, member)
    time.sleep(age)

    assert [client.get("/api/v1/me", headers=headers).status_code for client in clients] == [
        401
    ] * 2


def test_a_request_reads_no_cut_offs(app: Flask, member: Member) -> None:
    revoke(app, member, subject="someone else")
    member.get("/me")
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert member.get("/me").status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert not [statement for statement in sent if "cut_off" in statement or "catalog" in statement]


def test_the_command_prints_what_it_revoked(
    run_command: Callable[..., Any], member: Member
) -> None:
    slug = member.tenant.slug

    done = run_command("tenants", "revoke", slug, "--subject", member.subject, "--yes")
    as_json = run_command("tenants", "revoke", slug, "--json", "--yes")
    wrong = run_command("tenants", "revoke", slug, "--issuer", "https://login.example")
    unknown = run_command("tenants", "revoke", "there-is-none")

    assert done.output.startswith(
        f"Revoked the tokens of {member.subject} for {slug} issued before "
    )
    assert json.loads(as_json.output).keys() == {"tenant", "subject", "issuer", "cut_off_at"}
    assert "--issuer needs --subject" in wrong.output
    assert unknown.output.startswith("Error: The tenant 'there-is-none' does not exist.")
    assert (unknown.exit_code, member.get("/me").status_code) == (1, 401)


def test_an_unknown_tenant_has_no_cut_offs(app: Flask) -> None:
    with app.app_context(), pytest.raises(UnknownTenantError):
        revoke_tokens("there-is-none")
