"""A real issuer, oidc-provider: its access tokens are accepted, and its ID tokens are rejected."""

import base64
import hashlib
import http.cookiejar
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from node_projects import require_node
from werkzeug.test import TestResponse

from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.auth.strict_json import read_object
from trially.config import ROOT, Settings
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

SCRIPT = ROOT.parent / "shared" / "oidc" / "issuer.mjs"
AUDIENCE = "https://api.trially.test"
CALLBACK = "http://127.0.0.1:9/cb"
SLUGS = ("acme", "globex")
PEOPLE = {"acme": "alice", "globex": "bob"}
SCOPES = "patients:read patients:write"
AUTHRESS = {
    "EDALG": "EdDSA",
    "ALG": "EdDSA",
    "JWKS_PATH": "/.well-known/openid-configuration/jwks",
}


@dataclass(frozen=True)
class Issuer:
    """A running issuer."""

    url: str
    jwks_path: str
    algorithm: str

    def machine_token(self, tenant: str) -> str:
        tokens = self._post(
            "/token",
            {"grant_type": "client_credentials", "scope": SCOPES},
            client=f"svc-{tenant}",
        )
        return str(tokens["access_token"])

    def sign_in(self, person: str) -> dict[str, Any]:
        """Log in and consent as a browser does, and return the tokens."""
        browser = Browser()
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        question = {
            "client_id": "web",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": f"openid {SCOPES}",
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        page = browser.open(f"{self.url}/auth?{urllib.parse.urlencode(question)}")
        for _ in range(3):
            if page.startswith(CALLBACK):
                break
            form = {"prompt": "login", "login": person, "password": "any"}
            if 'value="login"' not in browser.body:
                form = {"prompt": "consent"}
            action = re.search(r'action="([^"]+)"', browser.body)
            assert action
            page = browser.open(urllib.parse.urljoin(page, action[1]), form)
        (code,) = urllib.parse.parse_qs(urllib.parse.urlsplit(page).query)["code"]
        return self._post(
            "/token",
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": CALLBACK,
                "code_verifier": verifier,
            },
            client="web",
        )

    def _post(self, path: str, form: dict[str, str], client: str) -> dict[str, Any]:
        secret = base64.b64encode(f"{client}:{client}-secret".encode()).decode()
        question = urllib.request.Request(
            self.url + path,
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Basic {secret}"},
        )
        with urllib.request.urlopen(question, timeout=10) as answer:
            return dict(json.load(answer))


class Browser(urllib.request.HTTPRedirectHandler):
    """Follows redirects and keeps cookies until it is sent back to the web app."""

    def __init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(self, cookies)
        self.body = ""

    def open(self, url: str, form: dict[str, str] | None = None) -> str:
        """Return the address that one ends at."""
        sent = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self._opener.open(url, sent, timeout=10) as answer:
                self.body = answer.read().decode()
                return str(answer.url)
        except urllib.error.HTTPError as stop:
            with stop:
                if stop.code not in {302, 303}:
                    raise
                return str(stop.headers["Location"])

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        if str(arguments[-1]).startswith(CALLBACK):
            return None
        return super().redirect_request(*arguments)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the issuer and what it needs."""
    require_node()
    if not SCRIPT.is_file():
        pytest.skip("The script of the real issuer is not beside this clone.")
    folder = tmp_path_factory.mktemp("issuer")
    shutil.copy(SCRIPT, folder)
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    options = ["--omit-lockfile-registry-resolved", "--no-audit", "--no-fund", "--ignore-scripts"]
    installed = subprocess.run(
        ["npm", "install", *options, "oidc-provider@9", "jose"],
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if installed.returncode:
        pytest.skip("oidc-provider cannot be installed here.")
    return folder


@contextmanager
def running(package: Path, **variables: str) -> Iterator[Issuer]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", SCRIPT.name],
        cwd=package,
        env={"PATH": os.environ["PATH"], "PORT": str(port), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        assert any("ready" in line for line in process.stdout), "The issuer has not started."
        yield Issuer(
            url=f"http://127.0.0.1:{port}",
            jwks_path=variables.get("JWKS_PATH", "/jwks"),
            algorithm=variables.get("ALG", "RS256"),
        )
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module", params=[{}, AUTHRESS], ids=["RS256", "Authress"])
def issuer(package: Path, request: pytest.FixtureRequest) -> Iterator[Issuer]:
    with running(package, **request.param) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def tenants(make_tenant: Callable[..., Tenant]) -> dict[str, Tenant]:
    return {slug: make_tenant(slug=slug, name=slug.title()) for slug in SLUGS}


@pytest.fixture
def served(settings: Settings, issuer: Issuer, tenants: dict[str, Tenant], tmp_path: Path) -> Flask:
    """An app that trusts the issuer, with its profile, and with its people and machines in it."""
    profiles = tmp_path / "issuers.toml"
    profiles.write_text(
        f'[[profiles]]\nissuer = "{issuer.url}"\naudiences = ["{AUDIENCE}"]\n'
        f'jwks_url = "{issuer.url}{issuer.jwks_path}"\n'
        f'algorithms = ["{issuer.algorithm}"]\nmax_lifetime_seconds = 900\n'
        f"tenants = {json.dumps(SLUGS)}\n"
    )
    app = create_app(replace(settings, dev_issuer=False, issuer_profiles=profiles))
    for slug in tenants:
        with app.app_context(), tenant_context(slug):
            for subject in (PEOPLE[slug], f"svc-{slug}"):
                add_member(subject, Role.COORDINATOR, is_repeatable=True)
    return app


def ask(app: Flask, token: str, path: str = "/api/v1/me", **headers: str) -> TestResponse:
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}", **headers})


def test_its_tokens_open_their_own_tenant_and_no_other(
    served: Flask, issuer: Issuer, tenants: dict[str, Tenant]
) -> None:
    for slug, other in zip(SLUGS, reversed(SLUGS), strict=True):
        signed_in = issuer.sign_in(PEOPLE[slug])
        for token in (issuer.machine_token(slug), signed_in["access_token"]):
            answer = ask(served, token)
            assert answer.json["tenant"]["id"] == str(tenants[slug].id)
            assert ask(served, token, f"/{slug}/api/v1/patients").json["data"] == []
            assert ask(served, token, f"/{other}/api/v1/patients").status_code == 403
            assert ask(served, token, **{"X-Tenant-ID": other}).status_code == 403

        refused = ask(served, signed_in["id_token"])

        assert refused.status_code == 401
        assert "invalid_token" in refused.headers["WWW-Authenticate"]


def test_its_tokens_are_access_tokens(issuer: Issuer) -> None:
    header = issuer.machine_token("acme").split(".")[0]

    read = read_object(base64.urlsafe_b64decode(header + "=="))
    assert (read["alg"], read["typ"]) == (issuer.algorithm, "at+jwt")
