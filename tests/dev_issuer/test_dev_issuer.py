"""The built-in issuer signs for this machine only, with a key that stays."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.dev_issuer.flows import AUDIENCE, TENANT_CLAIM, URL
from trially.auth.tokens import Claims
from trially.dev_issuer import DevIssuer
from trially.dev_issuer.key_file import load_or_create_key
from trially.dev_issuer.pages import create_pages


def test_discovery_points_at_the_endpoints(browser: FlaskClient) -> None:
    document = browser.get("/dev-issuer/.well-known/openid-configuration").json

    assert document is not None
    assert document["issuer"] == URL
    assert document["jwks_uri"] == f"{URL}/jwks"
    assert document["authorization_endpoint"] == f"{URL}/authorize"
    assert document["token_endpoint"] == f"{URL}/token"
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


def test_the_jwks_holds_one_public_key(browser: FlaskClient) -> None:
    document = browser.get("/dev-issuer/jwks").json

    assert document is not None
    (key,) = document["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")


@pytest.mark.parametrize("path", ["/jwks", "/authorize", "/.well-known/openid-configuration"])
def test_other_names_for_this_machine_are_refused(browser: FlaskClient, path: str) -> None:
    response = browser.get(f"/dev-issuer{path}", base_url="http://rebound.evil.example")

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("http://localhost:3000", True), ("https://evil.example", False), ("null", False)],
)
def test_only_apps_on_this_machine_read_tokens(
    browser: FlaskClient, origin: str, allowed: bool
) -> None:
    response = browser.get("/dev-issuer/jwks", headers={"Origin": origin})

    assert (response.headers.get("Access-Control-Allow-Origin") == origin) is allowed


def test_every_view_is_marked_public(issuer: DevIssuer) -> None:
    issuer_app = Flask("issuer_app", static_folder=None)
    issuer_app.register_blueprint(create_pages(issuer))

    assert len(issuer_app.view_functions) == 6
    for view in issuer_app.view_functions.values():
        assert view.__dict__["permission"] is None


def test_issued_tokens_are_verified(issuer: DevIssuer, verify: Callable[[str], Claims]) -> None:
    token = issuer.issue_token(subject="carol", tenant="acme", role="viewer", sub="mallory")

    claims = verify(token)

    assert claims.sub == "carol"
    assert claims.claims["role"] == "viewer"
    assert claims.claims[TENANT_CLAIM] == "acme"
    assert claims.exp - claims.claims["iat"] == 43_200


def test_a_token_may_name_no_tenant(issuer: DevIssuer, verify: Callable[[str], Claims]) -> None:
    token = issuer.issue_token(subject="carol", tenant=None, lifetime_seconds=60)

    claims = verify(token)

    assert TENANT_CLAIM not in claims.claims
    assert claims.exp - claims.claims["iat"] == 60


@pytest.mark.parametrize(
    "url",
    [
        "https://login.trially.ai",
        "http://0.0.0.0:5000/dev-issuer",
        "http://localhost.evil.example",
        "http://10.0.0.1/dev-issuer",
        "localhost:5000",
        "",
    ],
)
def test_the_issuer_serves_this_machine_only(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback"):
        DevIssuer(url, tmp_path / "key.pem", AUDIENCE)

    assert list(tmp_path.iterdir()) == []


def test_the_key_is_private_and_stays(key_file: Path) -> None:
    first, second = load_or_create_key(key_file), load_or_create_key(key_file)

    assert key_file.stat().st_mode & 0o777 == 0o600
    assert first.kid == second.kid == first.thumbprint()
    assert b"PRIVATE KEY" in key_file.read_bytes()


def test_racing_starts_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "key.pem"
    kids: list[str | None] = []
    gate = threading.Barrier(4)

    def start() -> None:
        gate.wait()
        kids.append(load_or_create_key(path).kid)

    starts = [threading.Thread(target=start) for _ in range(4)]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()

    assert len(kids) == 4
    assert len(set(kids)) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["key.pem"]


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.8.9.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.7", {}, 400),
        ("::ffff:192.0.2.7", {}, 400),
        ("2001:db8::1", {}, 400),
        ("", {}, 400),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 400),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 400),
        ("127.0.0.1", {"X-Real-IP": "192.0.2.7"}, 400),
        ("127.0.0.1", {"Host": "evil.example"}, 400),
    ],
)
def test_only_this_machine_reaches_the_issuer(app, peer, headers, status):
    """The Host header is the client's choice, so the peer's address decides."""
    for path in ("/dev-issuer/jwks", "/dev-issuer/.well-known/openid-configuration"):
        answer = app.test_client().get(
            path, headers={"Host": "localhost"} | headers, environ_base={"REMOTE_ADDR": peer}
        )
        assert answer.status_code == status, path
