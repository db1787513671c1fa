"""While an issuer's keys cannot be fetched, requests get 503, and no caller can cause that."""

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crafted_tokens import AUDIENCE, ED, TENANT_CLAIM, make_claims, sign
from flask import Flask
from http_issuers import EC, FAILURES, RSA, Issuer, public
from joserfc.jwk import ECKey
from prometheus_client import REGISTRY
from werkzeug.test import TestResponse

from trially import create_app
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.auth.signing_keys import RemoteKeys
from trially.auth.tokens import TokenVerifier
from trially.config import Settings
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

SUBJECT = "auth0|alice"
CLIENT = "sc_one"


@pytest.fixture
def start_worker(settings: Settings, issuer: Issuer) -> Callable[[], Flask]:
    """Create an app that trusts the issuer, as each worker of a server does."""

    def start() -> Flask:
        worker = create_app(replace(settings, dev_issuer=False))
        worker.config["PROPAGATE_EXCEPTIONS"] = False
        keys = RemoteKeys(issuer.url, allow_http=True, timeout=1.5)
        profile = IssuerProfile(issuer=issuer.url, audiences=(AUDIENCE,), keys=keys)
        state_of(worker).token_verifier = TokenVerifier({issuer.url: profile}, keep_seconds=0)
        return worker

    return start


@pytest.fixture
def worker(start_worker: Callable[[], Flask]) -> Flask:
    return start_worker()


@pytest.fixture(scope="module")
def open_tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    return make_tenant()


@pytest.fixture
def token(app: Flask, issuer: Issuer, open_tenant: Tenant) -> Callable[..., str]:
    """Sign a token of a member of the tenant."""
    with app.app_context(), tenant_context(open_tenant.slug):
        add_member(SUBJECT, Role.VIEWER, issuer=issuer.url, is_repeatable=True)

    def make(key: Any = RSA, algorithm: str = "RS256", **claims: Any) -> str:
        now = int(time.time())
        all_claims = {"iss": issuer.url, "iat": now, TENANT_CLAIM: open_tenant.slug, **claims}
        return sign(make_claims(**all_claims), key, algorithm)

    return make


def ask(worker: Flask, token: str) -> TestResponse:
    return worker.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


def answer_after_outage(worker: Flask, token: str) -> TestResponse:
    """Return the first answer that is no 503, and fail if there are many before it."""
    for _ in range(60):
        answer = ask(worker, token)
        if answer.status_code != 503:
            return answer
        time.sleep(0.05)
    return answer


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("trially_tokens_refused_total", {"reason": reason}) or 0


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_a_worker_that_starts_in_an_outage(
    worker: Flask,
    issuer: Issuer,
    token: Callable[..., str],
    fail: Callable[[Issuer], None],
) -> None:
    fail(issuer)

    answers = [ask(worker, token()) for _ in range(3)]

    for answer in answers:
        assert answer.status_code == 503
        assert answer.json["code"] == "issuer_unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
        assert "WWW-Authenticate" not in answer.headers
    ready = worker.test_client().get("/readyz")
    assert (ready.status_code, ready.json["checks"]["keys"]) == (503, "unavailable")
    assert ask(worker, token(exp=1, iat=0)).status_code == 401
    issuer.repair()
    assert answer_after_outage(worker, token()).status_code == 200
    assert worker.test_client().get("/readyz").status_code == 200


def test_all_workers_recover_at_their_next_request(
    start_worker: Callable[[], Flask], issuer: Issuer, token: Callable[..., str]
) -> None:
    issuer.delay = 5
    workers = [start_worker() for _ in range(4)]
    for worker in workers:
        assert ask(worker, token()).status_code == 503

    issuer.repair()
    time.sleep(1.1)
    statuses = [ask(worker, token()).status_code for worker in workers]

    assert statuses == [200] * len(workers)


def test_an_issuer_that_fails_while_a_worker_runs(
    worker: Flask, issuer: Issuer, token: Callable[..., str]
) -> None:
    assert ask(worker, token()).status_code == 200
    issuer.answer("/jwks", "", 500)
    new = ECKey.generate_key("P-256", {"kid": "new"})

    unknown = ask(worker, token(new, "ES256"))

    assert (unknown.status_code, unknown.json["code"]) == (503, "issuer_unavailable")
    assert ask(worker, token()).status_code == 200
    issuer.publish(RSA, new)
    assert answer_after_outage(worker, token(new, "ES256")).status_code == 200


def test_a_rotated_key_is_accepted_by_every_worker_at_first_sight(
    start_worker: Callable[[], Flask], issuer: Issuer, token: Callable[..., str]
) -> None:
    workers = [start_worker() for _ in range(3)]
    for worker in workers:
        assert ask(worker, token()).status_code == 200
    new = ECKey.generate_key("P-256", {"kid": "rotated"})
    issuer.publish(new)

    assert [ask(worker, token(new, "ES256")).status_code for worker in workers] == [200, 200, 200]


def test_unknown_kids_neither_stop_members_nor_a_rotation(
    worker: Flask, issuer: Issuer, token: Callable[..., str]
) -> None:
    assert ask(worker, token()).status_code == 200
    strangers = [ECKey.generate_key("P-256", {"kid": f"invented-{number}"}) for number in range(40)]

    with ThreadPoolExecutor(8) as pool:
        statuses = set(
            pool.map(lambda key: ask(worker, token(key, "ES256")).status_code, strangers)
        )

    assert statuses <= {401, 503}
    assert ask(worker, token()).status_code == 200
    new = ECKey.generate_key("P-256", {"kid": "rotated"})
    issuer.publish(RSA, new)
    # The strangers have used up the fetches of a second: the client is told to wait, no more.
    assert answer_after_outage(worker, token(new, "ES256")).status_code == 200
    assert issuer.fetches() < 20


@pytest.mark.parametrize("is_member", [True, False])
def test_invented_clients_stop_no_member(
    settings: Settings,
    app: Flask,
    issuer: Issuer,
    open_tenant: Tenant,
    tmp_path: Path,
    is_member: bool,
) -> None:
    prefix = f"{issuer.url}/clients/"
    client = f"{CLIENT}_{is_member}"
    if is_member:
        with app.app_context(), tenant_context(open_tenant.slug):
            add_member(client, Role.VIEWER, issuer=prefix + client)
    issuer.answer(f"/clients/{client}/jwks", json.dumps({"keys": [public(ED)]}))
    profiles = tmp_path / "issuers.toml"
    profiles.write_text(
        f'[[profiles]]\nissuer_prefix = "{prefix}"\naudiences = ["{AUDIENCE}"]\n'
        f'jwks_url = "{prefix}{{client_id}}/jwks"\ntypes = ["JWT"]\n'
        'tenant = { by = "membership" }\n'
    )
    worker = create_app(replace(settings, dev_issuer=False, issuer_profiles=profiles))

    def of(name: str) -> str:
        return sign(make_claims(iss=prefix + name, sub=name), ED, "EdDSA", typ="JWT")

    invented = {ask(worker, of(f"x{random.random()}")).status_code for _ in range(150)}

    # A lookup that a busy machine answers too late is refused with 503.
    assert 401 in invented <= {401, 503}
    assert answer_after_outage(worker, of(client)).status_code == (200 if is_member else 401)


def test_an_issuer_that_fails_leaves_others_ready(
    worker: Flask, issuer: Issuer, token: Callable[..., str]
) -> None:
    other = RemoteKeys("http://127.0.0.1:9", allow_http=True)
    verifier = state_of(worker).token_verifier
    profiles = {
        **verifier._profiles,
        other.issuer: IssuerProfile(issuer=other.issuer, audiences=(AUDIENCE,), keys=other),
    }
    state_of(worker).token_verifier = TokenVerifier(profiles)

    ready = worker.test_client().get("/readyz")

    assert (ready.status_code, ready.json["status"]) == (200, "degraded")
    assert ready.json["checks"]["keys"] == "available for some issuers"
    assert ask(worker, token()).status_code == 200
    assert ask(worker, token(iss=other.issuer)).status_code == 503


def test_an_outage_shows_in_the_metrics_until_it_ends(
    worker: Flask, issuer: Issuer, token: Callable[..., str]
) -> None:
    def is_available() -> float | None:
        return REGISTRY.get_sample_value("trially_issuer_available", {"issuer": issuer.url})

    assert ask(worker, token()).status_code == 200
    assert is_available() == 1
    issuer.answer("/jwks", "", 500)
    unknown = token(ECKey.generate_key("P-256", {"kid": "new"}), "ES256")
    assert ask(worker, unknown).status_code == 503
    assert is_available() == 0
    issuer.repair()
    for _ in range(200):
        # Requests that need no new key let the keys be fetched again.
        assert ask(worker, token()).status_code == 200
        if is_available():
            break
        time.sleep(0.02)
    assert is_available() == 1


def test_refused_tokens_are_counted_by_reason(
    worker: Flask, issuer: Issuer, token: Callable[..., str]
) -> None:
    cases = {
        "expired": token(exp=1, iat=0),
        "wrong_audience": token(aud="https://other.example"),
        "unknown_key": sign(make_claims(iss=issuer.url), EC, "ES256", kid="nobody"),
        "malformed": "a.b",
        "missing": "",
    }
    before = {reason: refused(reason) for reason in cases}

    for raw in cases.values():
        assert ask(worker, raw).status_code == 401

    assert {reason: refused(reason) - before[reason] for reason in cases} == dict.fromkeys(cases, 1)
