"""The issuer explains to developers what is wrong with a request."""

import logging
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.dev_issuer.flows import LOGIN, URL, exchange, log_in

ALLOWED = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
"""The characters of an error_description (RFC 6749, 4.1.2.1)."""


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": None}, ["client_id is missing", "web", "svc-SLUG"]),
        ({"client_id": ""}, ["client_id is missing"]),
        ({"client_id": "my-app"}, ["no client", "my-app", "The client of web apps is web"]),
        ({"client_id": "caf\u00e9<b>"}, ["no client", "caf\u00e9&lt;b&gt;"]),
        ({"client_id": "svc-acme"}, ["machine client", "client_credentials"]),
        ({"client_id": ["web", "web"]}, ["client_id occurs more than once"]),
        ({"redirect_uri": None}, ["redirect_uri is missing", "http://localhost"]),
        ({"redirect_uri": ["http://localhost/a", "http://localhost/b"]}, ["more than once"]),
        (
            {"redirect_uri": "https://app.example.org/cb"},
            ["not allowed", "https://app.example.org/cb", "http://127.0.0.1"],
        ),
    ],
)
def test_a_wrong_client_or_redirect_is_explained_on_a_page(
    browser: FlaskClient, method: str, changes: dict[str, Any], said: list[str]
) -> None:
    sent = {name: value for name, value in {**LOGIN, **changes}.items() if value is not None}

    response = browser.open(
        "/dev-issuer/authorize",
        method=method,
        **{"query_string" if method == "GET" else "data": sent},
    )

    assert (response.status_code, response.mimetype) == (400, "text/html")
    assert "Location" not in response.headers
    for text in said:
        assert text in response.text


def test_a_request_without_parameters_says_what_is_missing(browser: FlaskClient) -> None:
    response = browser.get("/dev-issuer/authorize")

    assert response.status_code == 400
    assert "The parameter client_id is missing." in response.text


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"code_challenge": None}, "invalid_request", "code_challenge is missing"),
        ({"code_challenge": "x" * 42}, "invalid_request", "SHA-256"),
        ({"code_challenge": "x" * 42 + "\u00e9"}, "invalid_request", "SHA-256"),
        ({"code_challenge_method": None}, "invalid_request", "code_challenge_method must be S256"),
        ({"code_challenge_method": "plain"}, "invalid_request", "code_challenge_method"),
        ({"response_type": None}, "invalid_request", "response_type is missing"),
        ({"response_type": "token"}, "unsupported_response_type", "must be code"),
        ({"response_type": '"\\\u00e9'}, "unsupported_response_type", "must be code"),
        ({"response_mode": "form_post"}, "invalid_request", "response_mode must be query"),
        ({"prompt": "none"}, "login_required", "login page"),
        ({"prompt": "none login"}, "invalid_request", "prompt=none"),
        ({"scope": ["openid", "email"]}, "invalid_request", "scope occurs more than once"),
        ({"request": "x.y.z"}, "request_not_supported", "request"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported", "request_uri"),
    ],
)
def test_other_faults_are_explained_to_the_client(
    browser: FlaskClient, changes: dict[str, Any], error: str, said: str
) -> None:
    sent = {name: value for name, value in {**LOGIN, **changes}.items() if value is not None}

    response = browser.get("/dev-issuer/authorize", query_string=sent)

    assert response.status_code == 302
    answer = parse_qs(urlsplit(response.location).query)
    assert (answer["error"], answer["state"]) == ([error], [LOGIN["state"]])
    assert said in answer["error_description"][0]
    assert ALLOWED.fullmatch(answer["error_description"][0])


@pytest.mark.parametrize("prompt", ["login", "consent", "select_account", ""])
def test_prompts_of_a_login_page_show_it(browser: FlaskClient, prompt: str) -> None:
    page = browser.get("/dev-issuer/authorize", query_string={**LOGIN, "prompt": prompt})

    assert page.status_code == 200


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"grant_type": None}, "unsupported_grant_type", "x-www-form-urlencoded"),
        ({"grant_type": "password"}, "unsupported_grant_type", "authorization_code"),
        ({"client_id": None}, "invalid_client", "client_id is missing"),
        ({"client_id": "my-app"}, "invalid_client", "The client of web apps is web"),
        ({"client_secret": "x"}, "invalid_client", "token_endpoint_auth_method is none"),
        ({"client_id": "svc-acme"}, "invalid_client", "dev-secret"),
        ({"code": None}, "invalid_request", "code is missing"),
        ({"code": "guess"}, "invalid_grant", "60 seconds"),
        ({"code_verifier": None}, "invalid_request", "PKCE"),
        ({"redirect_uri": "http://localhost/other"}, "invalid_grant", "redirect_uri"),
        ({"grant_type": "client_credentials"}, "unauthorized_client", "authorization_code"),
        ({"grant_type": "refresh_token"}, "invalid_request", "refresh_token is missing"),
        ({"scope": ["a", "b"]}, "invalid_request", "more than once"),
    ],
)
def test_the_token_endpoint_explains(
    browser: FlaskClient,
    changes: dict[str, Any],
    error: str,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    response = exchange(browser, log_in(browser), **changes)

    assert response.status_code == 400
    assert response.get_json()["error"] == error
    assert said in response.get_json()["error_description"]
    assert ALLOWED.fullmatch(response.get_json()["error_description"])
    assert "my-app" not in caplog.text


def test_the_log_has_what_is_explained(
    browser: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    browser.get("/dev-issuer/authorize", query_string={**LOGIN, "client_id": "my-app"})
    refresh = {"grant_type": "refresh_token", "client_id": "web"}
    browser.post("/dev-issuer/token", data=refresh)
    browser.post("/dev-issuer/token", data={**refresh, "refresh_token": "secret-guess"})
    exchange(browser, log_in(browser), code_verifier="w" * 43)
    browser.get("/dev-issuer/userinfo")
    browser.get("/dev-issuer/end-session", query_string={"id_token_hint": "x"})
    browser.get("/dev-issuer/jwks", headers={"Via": "proxy.internal"})

    assert "no client with this client_id" in caplog.text
    assert "refresh_token is missing" in caplog.text
    assert "The refresh token is unknown" in caplog.text
    assert "Code challenge failed" in caplog.text
    assert "Send the access token" in caplog.text
    assert "id_token_hint is not an ID token" in caplog.text
    assert "header Via" in caplog.text
    assert not [text for text in ("my-app", "secret-guess", "internal") if text in caplog.text]


@pytest.mark.parametrize(
    ("password", "is_accepted"),
    [("", True), ("undefined", True), ("dev-secret", False), ("x", False)],
)
def test_http_basic_without_a_secret_is_a_public_client(
    browser: FlaskClient, password: str, is_accepted: bool
) -> None:
    form = {
        "grant_type": "authorization_code",
        "redirect_uri": LOGIN["redirect_uri"],
        "code": log_in(browser),
        "code_verifier": "v" * 43,
    }

    response = browser.post("/dev-issuer/token", data=form, auth=("web", password))

    if is_accepted:
        assert response.status_code == 200
    else:
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, "X-Forwarded-For"),
        ({"Host": "evil.example"}, "localhost"),
        ({"Host": "[::1"}, ""),
    ],
)
def test_strangers_learn_why_they_are_refused(
    browser: FlaskClient, headers: dict[str, str], said: str
) -> None:
    response = browser.get("/dev-issuer/jwks", headers={"Host": "localhost"} | headers)

    assert response.status_code == 400
    if said:
        assert said in response.get_json()["error_description"]


@pytest.mark.parametrize(
    "path", ["/token", "/userinfo", "/jwks", "/.well-known/openid-configuration"]
)
@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://localhost:3000", True),
        ("http://127.0.0.1:5173", True),
        ("http://[::1]:3000", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://[::1", False),
        ("null", False),
        ("", False),
    ],
)
def test_browser_clients_of_this_machine_may_call(
    browser: FlaskClient, path: str, origin: str, is_allowed: bool
) -> None:
    preflight = browser.options(
        f"/dev-issuer{path}",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,baggage,sentry-trace",
        },
    )
    method = "POST" if path == "/token" else "GET"
    response = browser.open(f"/dev-issuer{path}", method=method, headers={"Origin": origin})

    for answer in (preflight, response):
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is is_allowed
        assert "Access-Control-Allow-Credentials" not in answer.headers
    allowed = preflight.headers.get("Access-Control-Allow-Headers", "").lower()
    assert all((name in allowed) is is_allowed for name in ("authorization", "baggage"))
    assert preflight.status_code == (204 if is_allowed else 200)


@pytest.mark.parametrize("path", ["/authorize", "/end-session"])
def test_pages_are_never_cross_origin(browser: FlaskClient, path: str) -> None:
    response = browser.get(f"/dev-issuer{path}", headers={"Origin": "http://localhost:3000"})

    assert "Access-Control-Allow-Origin" not in response.headers


def test_the_discovery_document_has_the_new_endpoints(browser: FlaskClient) -> None:
    document = browser.get("/dev-issuer/.well-known/openid-configuration").get_json()

    assert document["userinfo_endpoint"] == f"{URL}/userinfo"
    assert document["end_session_endpoint"] == f"{URL}/end-session"
    assert "refresh_token" in document["grant_types_supported"]
    assert "offline_access" in document["scopes_supported"]
