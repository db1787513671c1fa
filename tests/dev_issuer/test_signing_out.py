"""RP-initiated logout, and the userinfo endpoint."""

import base64
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.dev_issuer.flows import ALICE, BOB, TENANT_CLAIM, URL, exchange, log_in
from trially.dev_issuer import DevIssuer, Person
from trially.dev_issuer.people import ListedPeople

BACK = "http://localhost:3000/?signed=out"


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


def sign_in(browser: FlaskClient, scope: str = "openid offline_access") -> dict[str, Any]:
    tokens: dict[str, Any] = exchange(browser, log_in(browser, scope=scope)).get_json()
    return tokens


def can_refresh(browser: FlaskClient, tokens: dict[str, Any]) -> bool:
    form = {"grant_type": "refresh_token", "client_id": "web"}
    form["refresh_token"] = tokens["refresh_token"]
    return browser.post("/dev-issuer/token", data=form).status_code == 200


def sign_out(browser: FlaskClient, method: str = "GET", **sent: str) -> Any:
    where = "query_string" if method == "GET" else "data"
    return browser.open("/dev-issuer/end-session", method=method, **{where: sent})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("client", [{}, {"client_id": "web"}])
def test_a_sign_out_revokes_and_redirects(
    browser: FlaskClient, method: str, client: dict[str, str]
) -> None:
    ended, other = sign_in(browser), sign_in(browser)
    sent = {"id_token_hint": ended["id_token"], "post_logout_redirect_uri": BACK, "state": "a&b"}

    response = sign_out(browser, method, **sent, **client)

    assert (response.status_code, response.location) == (302, f"{BACK}&state=a%26b")
    assert not can_refresh(browser, ended)
    assert can_refresh(browser, other)


def test_an_expired_id_token_still_signs_out(browser: FlaskClient, issuer: DevIssuer) -> None:
    issuer.lifetime_seconds = -3600
    tokens = sign_in(browser)

    response = sign_out(
        browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri="http://[::1]:3000"
    )

    assert response.location == "http://[::1]:3000"


def test_without_a_redirect_there_is_a_page(browser: FlaskClient) -> None:
    tokens = sign_in(browser)

    response = sign_out(browser, id_token_hint=tokens["id_token"])

    assert response.status_code == 200
    assert "Signed out" in response.text
    assert not can_refresh(browser, tokens)


@pytest.mark.parametrize("sent", [{}, {"client_id": "web"}, {"logout_hint": "alice"}])
def test_without_an_id_token_nothing_is_revoked_and_the_user_decides(
    browser: FlaskClient, sent: dict[str, str]
) -> None:
    tokens = sign_in(browser)

    response = sign_out(browser, post_logout_redirect_uri=BACK, **sent)

    assert response.status_code == 200
    assert "Location" not in response.headers
    assert f'href="{BACK}"' in response.text
    assert can_refresh(browser, tokens)


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        "http://evil.example:3000/",
        "http://localhost@evil.example/",
        "http://evil.example\\@localhost/",
        "https://localhost:3000/",
        "http://localhost:3000/#fragment",
        "http://localhost:3000/#",
        "http://localhost:port/",
        "javascript:alert(1)",
        "//localhost/",
        "http://[::1",
        "/relative",
    ],
)
@pytest.mark.parametrize("has_hint", [True, False])
def test_a_sign_out_leads_nowhere_else(browser: FlaskClient, uri: str, has_hint: bool) -> None:
    hint = {"id_token_hint": sign_in(browser)["id_token"]} if has_hint else {}

    response = sign_out(browser, post_logout_redirect_uri=uri, **hint)

    assert response.status_code == 400
    assert "Location" not in response.headers
    assert "href=" not in response.text
    assert "post_logout_redirect_uri is not allowed" in response.text


@pytest.mark.parametrize("kind", ["access", "garbage", "forged", "empty-parts", "unsigned"])
def test_only_id_tokens_of_this_issuer_sign_out(browser: FlaskClient, kind: str) -> None:
    tokens = sign_in(browser)
    header, payload, signature = tokens["id_token"].split(".")
    hint = {
        "access": tokens["access_token"],
        "garbage": "x",
        "forged": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        "empty-parts": "..",
        "unsigned": base64.urlsafe_b64encode(b'{"alg":"none"}').decode() + f".{payload}.",
    }[kind]

    response = sign_out(browser, id_token_hint=hint, post_logout_redirect_uri=BACK)

    assert response.status_code == 400
    assert "id_token_hint" in response.text
    assert "Location" not in response.headers
    assert can_refresh(browser, tokens)


def test_an_id_token_of_another_client_does_not_sign_out(browser: FlaskClient) -> None:
    tokens = sign_in(browser)

    response = sign_out(browser, id_token_hint=tokens["id_token"], client_id="svc-acme")

    assert response.status_code == 400
    assert can_refresh(browser, tokens)


def ask_userinfo(browser: FlaskClient, token: str | None, method: str = "GET") -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return browser.open("/dev-issuer/userinfo", method=method, headers=headers)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_describes_the_caller(
    browser: FlaskClient, issuer: DevIssuer, method: str
) -> None:
    issuer.people = ListedPeople([Person("alice", "Alice", "viewer", "acme", "Acme", "a@b.test")])
    tokens = sign_in(browser, "openid email")

    response = ask_userinfo(browser, tokens["access_token"], method)

    assert response.json == {
        "sub": "alice",
        "name": "Alice",
        "role": "viewer",
        TENANT_CLAIM: "acme",
        "email": "a@b.test",
    }
    claims = claims_of(tokens["id_token"])
    assert response.json.items() <= claims.items()
    assert claims["iss"] == URL
    without = sign_in(browser, "openid")
    assert "email" not in ask_userinfo(browser, without["access_token"]).json


def test_userinfo_refuses_other_tokens(browser: FlaskClient, issuer: DevIssuer) -> None:
    signed_in = sign_in(browser)
    plain = issuer.issue_token(subject="alice", tenant="acme")
    cases = {
        None: (401, None),
        "x": (401, "invalid_token"),
        signed_in["id_token"]: (401, "invalid_token"),
        plain: (403, "insufficient_scope"),
        issuer.issue_token(subject="alice", tenant="nowhere", scope="openid"): (
            401,
            "invalid_token",
        ),
        issuer.issue_token(subject="alice", tenant=None, scope="openid"): (401, "invalid_token"),
    }
    for token, (status, error) in cases.items():
        response = ask_userinfo(browser, token)
        assert response.status_code == status
        challenge = response.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="dev-issuer"')
        assert (f'error="{error}"' in challenge) is (error is not None)
        assert response.json["error_description"]
    issuer.people = ListedPeople([BOB])
    assert ask_userinfo(browser, signed_in["access_token"]).status_code == 401
    issuer.people = ListedPeople([ALICE])
    assert ask_userinfo(browser, signed_in["access_token"]).status_code == 200
