"""The login page: its people, and the URIs that a code may be sent to."""

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.dev_issuer.flows import LOGIN, TENANT_CLAIM, exchange
from trially.auth.tokens import Claims
from trially.dev_issuer import DevIssuer
from trially.dev_issuer.people import ListedPeople


def test_the_login_page_lists_people_by_tenant(browser: FlaskClient) -> None:
    response = browser.get("/dev-issuer/authorize", query_string=LOGIN)

    assert response.status_code == 200
    page = response.text
    assert page.index("Acme &amp; Sons") < page.index("Bob Baker") < page.index("Globex")
    assert "Alice &lt;Archer&gt;" in page
    assert "coordinator" in page
    assert "<script" not in page
    assert "src=" not in page
    assert "href=" not in page
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_the_login_page_posts_the_parameters_of_the_request(
    browser: FlaskClient, verify: Callable[[str], Claims]
) -> None:
    page = browser.get("/dev-issuer/authorize", query_string=LOGIN).text
    form = page.partition("<form")[2].partition("</form>")[0]
    fields = re.findall(r'name="(.*?)" value="(.*?)"', form)
    posted = {name: html.unescape(value) for name, value in reversed(fields)}

    response = browser.post("/dev-issuer/authorize", data=posted)

    answer = parse_qs(urlsplit(response.location).query)
    assert answer["state"] == [LOGIN["state"]]
    token = exchange(browser, answer["code"][0]).get_json()["access_token"]
    assert verify(token).claims[TENANT_CLAIM] == "acme"


def test_without_people_the_page_explains_how_to_add_them(
    browser: FlaskClient, issuer: DevIssuer
) -> None:
    issuer.people = ListedPeople()

    assert "flask demo seed" in browser.get("/dev-issuer/authorize", query_string=LOGIN).text


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback",
        "http://evil.example:3000/callback",
        "http://localhost.evil.example/callback",
        "http://localhost@evil.example/callback",
        "http://evil.example\\@localhost/callback",
        "http://localhost:3000@evil.example/",
        "http://localhost:3000/#fragment",
        "https://localhost:3000/callback",
        "javascript:alert(1)",
        "//localhost/callback",
        'http://evil.example/"quoted"',
        "http://[::1",
        "http://localhost/\r\nX: 1",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_codes_go_nowhere_else(browser: FlaskClient, redirect_uri: str, method: str) -> None:
    parameters = {**LOGIN, "redirect_uri": redirect_uri, "subject": "alice"}
    places: dict[str, Any] = {"query_string" if method == "GET" else "data": parameters}

    response = browser.open("/dev-issuer/authorize", method=method, **places)

    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:8080", "[::1]:3000"])
def test_codes_go_to_any_port_of_this_machine(browser: FlaskClient, host: str) -> None:
    form = {**LOGIN, "redirect_uri": f"http://{host}/api/auth/callback?x=1", "subject": "bob"}

    response = browser.post("/dev-issuer/authorize", data=form)

    assert response.status_code == 302
    assert response.location.startswith(f"http://{host}/api/auth/callback?x=1&code=")


@pytest.mark.parametrize("client_id", ["nobody", "", "svc-", "svc-Acme", 'web"', "svc-acme\n"])
def test_unknown_clients_get_no_page(browser: FlaskClient, client_id: str) -> None:
    response = browser.get("/dev-issuer/authorize", query_string={**LOGIN, "client_id": client_id})

    assert response.status_code == 400
    assert "start the sign-in again" in response.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"code_challenge": ""}, "invalid_request", id="no-challenge"),
        pytest.param({"code_challenge": "short"}, "invalid_request", id="short-challenge"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain"),
        pytest.param({"code_challenge_method": ""}, "invalid_request", id="no-method"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param({"subject": "mallory"}, "access_denied", id="unknown-person"),
        pytest.param({"subject": "bob", "tenant": "globex"}, "access_denied", id="not-a-member"),
    ],
)
def test_refusals_go_back_to_the_client_with_its_state(
    browser: FlaskClient, changes: dict[str, str], error: str
) -> None:
    response = browser.post("/dev-issuer/authorize", data={**LOGIN, "subject": "alice", **changes})

    assert response.status_code == 302
    answer = parse_qs(urlsplit(response.location).query)
    assert (answer["error"], answer["state"]) == ([error], [LOGIN["state"]])
    assert "code" not in answer


def test_machine_clients_may_not_log_people_in(browser: FlaskClient) -> None:
    response = browser.get("/dev-issuer/authorize", query_string={**LOGIN, "client_id": "svc-acme"})

    assert "code=" not in response.headers.get("Location", "")
    assert response.status_code != 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_the_form_of_another_site_is_refused(browser: FlaskClient, headers: dict[str, str]) -> None:
    response = browser.post(
        "/dev-issuer/authorize", data={**LOGIN, "subject": "alice"}, headers=headers
    )

    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}])
def test_the_own_form_is_accepted(browser: FlaskClient, headers: dict[str, str]) -> None:
    page = browser.get("/dev-issuer/authorize", query_string=LOGIN)
    response = browser.post(
        "/dev-issuer/authorize", data={**LOGIN, "subject": "alice"}, headers=headers
    )

    assert page.headers["Referrer-Policy"] == "same-origin"
    assert response.status_code == 302
