"""The web app's side of the code flow."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from trially.dev_issuer import Person

URL = "http://localhost/dev-issuer"
AUDIENCE = "https://api.example.test"
TENANT_CLAIM = "https://trially.ai/tenant"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
REDIRECT_URI = "http://localhost:3000/callback"
ALICE = Person("alice", "Alice <Archer>", "coordinator", "acme", "Acme & Sons")
BOB = Person("bob", "Bob Baker", "viewer", "acme", "Acme & Sons")
ALICE_TOO = Person("alice", "Alice Archer", "owner", "globex", "Globex")
LOGIN = {
    "response_type": "code",
    "client_id": "web",
    "redirect_uri": REDIRECT_URI,
    "scope": "openid profile",
    "state": 'a "state" & more',
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def log_in(browser: FlaskClient, **form: Any) -> str:
    """Choose a person on the login page and return the code."""
    response = browser.post("/dev-issuer/authorize", data={**LOGIN, "subject": "alice", **form})
    assert response.status_code == 302
    assert response.location.startswith(REDIRECT_URI)
    return parse_qs(urlsplit(response.location).query)["code"][0]


def exchange(browser: FlaskClient, code: str, /, **changes: Any) -> TestResponse:
    form = {
        "grant_type": "authorization_code",
        "client_id": "web",
        "redirect_uri": REDIRECT_URI,
        "code": code,
        "code_verifier": VERIFIER,
        **changes,
    }
    form = {name: value for name, value in form.items() if value is not None}
    return browser.post("/dev-issuer/token", data=form)
