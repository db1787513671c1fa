"""The token endpoint: when a code or a secret is accepted, and when it is refused."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.dev_issuer.flows import (
    AUDIENCE,
    CHALLENGE,
    REDIRECT_URI,
    TENANT_CLAIM,
    URL,
    exchange,
    log_in,
)
from trially.auth.token_errors import TokenError
from trially.auth.tokens import Claims
from trially.dev_issuer.sign_ins import CODE_LIFETIME_SECONDS, IssuedCodes


def test_the_code_flow_gives_an_access_token(
    browser: FlaskClient, verify: Callable[[str], Claims]
) -> None:
    response = exchange(browser, log_in(browser))

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.get_json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 43_200)
    assert answer["scope"] == "openid profile"
    claims = verify(answer["access_token"])
    assert (claims.iss, claims.sub, claims.aud) == (URL, "alice", (AUDIENCE,))
    assert claims.claims[TENANT_CLAIM] == "acme"
    assert claims.claims["client_id"] == "web"
    assert claims.claims["jti"]


def test_one_person_may_belong_to_two_tenants(
    browser: FlaskClient, verify: Callable[[str], Claims]
) -> None:
    code = log_in(browser, tenant="globex")

    claims = verify(exchange(browser, code).get_json()["access_token"])

    assert (claims.sub, claims.claims[TENANT_CLAIM]) == ("alice", "globex")


def test_the_id_token_opens_nothing(browser: FlaskClient, verify: Callable[[str], Claims]) -> None:
    id_token = exchange(browser, log_in(browser)).get_json()["id_token"]

    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "==")) for part in id_token.split(".")[:2]
    )
    assert "typ" not in header
    assert (payload["aud"], payload["nonce"], payload["name"]) == ("web", "n-1", "Alice <Archer>")
    with pytest.raises(TokenError, match="wrong_type"):
        verify(id_token)


def test_without_the_openid_scope_there_is_no_id_token(browser: FlaskClient) -> None:
    answer = exchange(browser, log_in(browser, scope="profile admin")).get_json()

    assert "id_token" not in answer
    assert answer["scope"] == "profile"


def test_a_code_works_once(browser: FlaskClient) -> None:
    code = log_in(browser)

    first, second = exchange(browser, code), exchange(browser, code)

    assert (first.status_code, second.status_code) == (200, 400)
    assert second.get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"code_verifier": "w" * 43}, "invalid_grant", id="wrong-verifier"),
        pytest.param({"code_verifier": None}, "invalid_request", id="no-verifier"),
        pytest.param({"code_verifier": CHALLENGE}, "invalid_grant", id="challenge-as-verifier"),
        pytest.param({"code_verifier": "short"}, "invalid_request", id="short-verifier"),
        pytest.param({"code": "guess"}, "invalid_grant", id="guessed-code"),
        pytest.param({"code": None}, "invalid_request", id="no-code"),
        pytest.param({"redirect_uri": REDIRECT_URI + "/x"}, "invalid_grant", id="other-redirect"),
        pytest.param({"redirect_uri": None}, "invalid_grant", id="no-redirect"),
        pytest.param({"client_id": "nobody"}, "invalid_client", id="unknown-client"),
        pytest.param({"client_id": None}, "invalid_client", id="no-client"),
        pytest.param({"client_id": "svc-acme"}, "invalid_client", id="machine-client"),
        pytest.param({"client_secret": "dev-secret"}, "invalid_client", id="web-with-secret"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="other-grant"),
        pytest.param({"grant_type": '"\\\n'}, "unsupported_grant_type", id="odd-grant"),
        pytest.param({"grant_type": None}, "unsupported_grant_type", id="no-grant"),
    ],
)
def test_a_code_alone_is_not_enough(
    browser: FlaskClient, changes: dict[str, Any], error: str
) -> None:
    code = log_in(browser)

    response = exchange(browser, code, **changes)

    assert response.status_code in {400, 401}
    assert response.get_json()["error"] == error


def test_a_failed_exchange_uses_the_code_up(browser: FlaskClient) -> None:
    code = log_in(browser)

    exchange(browser, code, code_verifier="w" * 43)

    assert exchange(browser, code).status_code == 400


def test_a_code_expires(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    code = log_in(browser)
    later = time.time() + CODE_LIFETIME_SECONDS
    monkeypatch.setattr("trially.dev_issuer.sign_ins.time.time", lambda: later)

    assert exchange(browser, code).get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize("way", ["basic", "form"])
def test_machines_get_their_tenants_token(
    browser: FlaskClient, verify: Callable[[str], Claims], way: str
) -> None:
    form = {"grant_type": "client_credentials"}
    if way == "basic":
        response = browser.post(
            "/dev-issuer/token", data=form, auth=("svc-acme-east", "dev-secret")
        )
    else:
        form |= {"client_id": "svc-acme-east", "client_secret": "dev-secret"}
        response = browser.post("/dev-issuer/token", data=form)

    claims = verify(response.get_json()["access_token"])

    assert (claims.sub, claims.claims["client_id"]) == ("svc-acme-east", "svc-acme-east")
    assert claims.claims[TENANT_CLAIM] == "acme-east"


@pytest.mark.parametrize(
    ("client_id", "client_secret"),
    [
        ("svc-acme", "wrong"),
        ("svc-acme", ""),
        ("svc-acme", "d\u00e9v"),
        ("web", "dev-secret"),
        ("nobody", "dev-secret"),
        ("svc-", "dev-secret"),
    ],
)
@pytest.mark.parametrize("way", ["basic", "form"])
def test_machines_without_the_secret_get_no_token(
    browser: FlaskClient, client_id: str, client_secret: str, way: str
) -> None:
    form = {"grant_type": "client_credentials"}
    if way == "basic":
        response = browser.post("/dev-issuer/token", data=form, auth=(client_id, client_secret))
    else:
        form |= {"client_id": client_id, "client_secret": client_secret}
        response = browser.post("/dev-issuer/token", data=form)

    assert response.status_code in {400, 401}
    assert response.get_json()["error"] == "invalid_client"


def test_codes_do_not_pile_up() -> None:
    codes = IssuedCodes()
    sign_in: Any = type("SignIn", (), {"client_id": "web"})
    issued: Any = type("Code", (), {"sign_in": sign_in, "expires_at": float("inf")})

    for number in range(1500):
        codes.store(type("Code", (issued,), {"code": str(number)}))  # type: ignore[arg-type]

    assert codes.take("0", "web") is None
    assert codes.take("1499", "web")
