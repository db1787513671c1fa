"""Refresh tokens: each is valid once, and using it again revokes its successors."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.dev_issuer.flows import ALICE, BOB, TENANT_CLAIM, exchange, log_in
from tests.dev_issuer.test_signing_out import claims_of
from trially.auth.tokens import Claims
from trially.dev_issuer import DevIssuer
from trially.dev_issuer.people import ListedPeople
from trially.dev_issuer.sign_ins import (
    MAX_REFRESHABLE,
    REFRESH_LIFETIME_SECONDS,
    RefreshTokens,
    SignIn,
)

SCOPE = "openid offline_access"


def sign_in(browser: FlaskClient, scope: str = SCOPE, **form: Any) -> dict[str, Any]:
    answer: dict[str, Any] = exchange(browser, log_in(browser, scope=scope, **form)).get_json()
    return answer


def refresh(browser: FlaskClient, token: str, **changes: Any) -> Any:
    form = {"grant_type": "refresh_token", "client_id": "web", "refresh_token": token, **changes}
    return browser.post("/dev-issuer/token", data=form)


def test_a_refresh_token_gives_the_next_tokens(
    browser: FlaskClient, verify: Callable[[str], Claims]
) -> None:
    first = sign_in(browser, tenant="globex")

    second = refresh(browser, first["refresh_token"])

    assert second.status_code == 200
    assert second.headers["Cache-Control"] == "no-store"
    claims = verify(second.json["access_token"])
    assert (claims.sub, claims.claims[TENANT_CLAIM]) == ("alice", "globex")
    assert second.json["access_token"] != first["access_token"]
    assert second.json["scope"] == SCOPE
    before, after = claims_of(first["id_token"]), claims_of(second.json["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert after[name] == before[name]
    assert "nonce" not in after
    third = refresh(browser, second.json["refresh_token"])
    assert third.status_code == 200


def test_only_offline_access_gives_a_refresh_token(browser: FlaskClient) -> None:
    assert "refresh_token" not in sign_in(browser, "openid profile email")
    machine = {"grant_type": "client_credentials", "scope": "offline_access"}
    answer = browser.post("/dev-issuer/token", data=machine, auth=("svc-acme", "dev-secret"))
    assert "refresh_token" not in answer.get_json()


def test_a_used_refresh_token_revokes_its_successors(browser: FlaskClient) -> None:
    other = sign_in(browser)["refresh_token"]
    first = sign_in(browser)["refresh_token"]
    second = refresh(browser, first).json["refresh_token"]
    third = refresh(browser, second).json["refresh_token"]

    reused = refresh(browser, first)

    assert (reused.status_code, reused.json["error"]) == (400, "invalid_grant")
    assert "valid once" in reused.json["error_description"]
    assert refresh(browser, third).json["error"] == "invalid_grant"
    assert refresh(browser, other).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token.partition(".")[0],
        lambda token: token.partition(".")[0] + ".",
        lambda token: token.partition(".")[2],
        lambda _token: ".",
        lambda _token: "guess",
        lambda _token: "\u00e9.\u00e9",
    ],
)
def test_other_refresh_tokens_are_refused(
    browser: FlaskClient, change: Callable[[str], str]
) -> None:
    token = sign_in(browser)["refresh_token"]

    assert refresh(browser, change(token)).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "svc-acme", "client_secret": "dev-secret"}, "unauthorized_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": ""}, "invalid_client"),
        ({"refresh_token": ""}, "invalid_request"),
        ({"scope": "openid profile"}, "invalid_scope"),
    ],
)
def test_a_refused_request_does_not_use_the_token_up(
    browser: FlaskClient, changes: dict[str, str], error: str
) -> None:
    token = sign_in(browser)["refresh_token"]

    assert refresh(browser, token, **changes).json["error"] == error
    assert refresh(browser, token).status_code == 200


def test_the_scope_may_be_narrower(browser: FlaskClient) -> None:
    token = sign_in(browser, "openid email offline_access")["refresh_token"]

    narrow = refresh(browser, token, scope="email").json

    assert narrow["scope"] == "email"
    assert refresh(browser, narrow["refresh_token"]).json["scope"] == "openid email offline_access"


def test_a_refresh_token_expires(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign_in(browser)["refresh_token"]
    token = refresh(browser, token).json["refresh_token"]
    later = time.time() + REFRESH_LIFETIME_SECONDS
    monkeypatch.setattr("trially.dev_issuer.sign_ins.time.time", lambda: later)

    assert refresh(browser, token).json["error"] == "invalid_grant"


def test_a_removed_member_gets_no_more_tokens(browser: FlaskClient, issuer: DevIssuer) -> None:
    token = sign_in(browser)["refresh_token"]
    issuer.people = ListedPeople([BOB])

    refused = refresh(browser, token)

    assert refused.json["error"] == "invalid_grant"
    assert "no longer a member" in refused.json["error_description"]
    issuer.people = ListedPeople([ALICE])
    assert refresh(browser, token).json["error"] == "invalid_grant"


def test_sign_ins_do_not_pile_up() -> None:
    tokens = RefreshTokens()
    signed_in = SignIn("web", SCOPE, ALICE, 0)

    issued = [tokens.issue(signed_in) for _ in range(MAX_REFRESHABLE + 1)]

    assert tokens.find(issued[0]) is None
    assert tokens.find(issued[1]) is signed_in


def test_of_two_uses_at_once_one_wins() -> None:
    tokens = RefreshTokens()
    token = tokens.issue(SignIn("web", SCOPE, ALICE, 0))
    gate, results = threading.Barrier(8), []

    def use() -> None:
        gate.wait()
        results.append(tokens.rotate(token))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = [result for result in results if result]
    assert tokens.find(winner) is None  # The other uses ended the family.
