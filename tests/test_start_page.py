"""The start page, its console, and the problems of paths that do not exist."""

import base64
import hashlib
import re

import pytest
from flask import Flask
from werkzeug import exceptions

from trially.demo.organisations import DEMO_ORGANISATIONS
from trially.openapi.start_page import SIGN_IN

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SOURCE = re.compile(
    r"'(none|self|unsafe-inline|sha256-[A-Za-z0-9+/]+={0,2})'"
    r"|data:"
    # A host of the grammar of CSP level 3: it cannot be an IPv6 address.
    r"|(https?://)?(\*\.)?[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*(:(\d+|\*))?"
)
PATHS = ("/", "/api/v1", "/docs/", "/livez", SIGN_IN, "/dev-issuer/authorize", "/no-such-page")


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/", "/any-tenant/api/v1"])
def test_the_page_links_to_what_exists(app: Flask, path: str) -> None:
    client = app.test_client()
    page = client.get(path, headers=PAGE)
    links = [
        link["path"]
        for link in client.get(path, headers={"Accept": "application/json"}).json["links"]
    ]

    assert page.mimetype == "text/html"
    assert {"/docs/", "/openapi.json", SIGN_IN, "/readyz"} <= set(links)
    for link in links:
        assert f'href="{link}"'.replace("&", "&amp;") in page.text
        with client.get(link) as answer:
            assert answer.status_code == 200


def test_programs_get_a_page_at_the_root_and_json_at_the_api(app: Flask) -> None:
    client = app.test_client()

    assert client.get("/").mimetype == "text/html"
    assert client.get("/api/v1").mimetype == "application/json"
    assert client.get("/favicon.ico").mimetype == "image/svg+xml"


def test_the_page_of_production_names_no_tenant_and_no_issuer(blank_app) -> None:
    app = blank_app(
        development=False, dev_issuer=False, issuers=("https://login.example.org",),
        public_url="https://api.example.org",
    )  # fmt: skip

    text = app.test_client().get("/", headers=PAGE).text

    assert "development" not in text
    assert "dev-issuer" not in text
    assert not any(one.slug in text or one.name in text for one in DEMO_ORGANISATIONS)


@pytest.mark.parametrize("path", PATHS)
def test_no_content_policy_has_an_invalid_source(app: Flask, path: str) -> None:
    policy = app.test_client().get(path, headers=PAGE).headers["Content-Security-Policy"]

    for directive in policy.split(";"):
        name, *sources = directive.split()
        assert re.fullmatch("[a-z-]+", name)
        assert sources
        for source in sources:
            assert SOURCE.fullmatch(source), (name, source)


def test_the_page_may_use_its_own_style(app: Flask) -> None:
    answer = app.test_client().get("/", headers=PAGE)
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no-such-page", 404),
        ("GET", "/api/v1/no-such-thing", 404),
        ("GET", "/api/v1/patients/not-a-uuid", 404),
        ("PATCH", "/api/v1/studies/1", 404),
        ("GET", "/docs/no-such-file.js", 404),
        ("DELETE", "/livez", 405),
        ("PUT", "/", 405),
    ],
)
def test_problems_of_the_router_have_our_words(
    app: Flask, method: str, path: str, status: int
) -> None:
    answer = app.test_client().open(path, method=method)

    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.json["detail"] not in _texts_of_werkzeug()
    assert "browser" not in answer.json["detail"]


def _texts_of_werkzeug() -> set[str | None]:
    return {kind.description for kind in exceptions.default_exceptions.values()}
