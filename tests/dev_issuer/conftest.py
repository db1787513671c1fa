"""An issuer, a browser before it, and a verifier behind it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.dev_issuer.flows import ALICE, ALICE_TOO, AUDIENCE, BOB, URL
from trially.auth.tokens import Claims, verify_token
from trially.dev_issuer import DevIssuer
from trially.dev_issuer.key_file import load_or_create_key
from trially.dev_issuer.pages import create_pages
from trially.dev_issuer.people import ListedPeople


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dev-issuer") / "key.pem"
    load_or_create_key(path)
    return path


read_key = cache(load_or_create_key)
"""Reads a key once, because its numbers are checked each time that it is read."""


@pytest.fixture
def issuer(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> DevIssuer:
    monkeypatch.setattr("trially.dev_issuer.issuer.load_or_create_key", read_key)
    issuer = DevIssuer(URL, key_file, AUDIENCE)
    issuer.people = ListedPeople([BOB, ALICE_TOO, ALICE])
    return issuer


@pytest.fixture
def browser(issuer: DevIssuer) -> FlaskClient:
    issuer_app = Flask("issuer_app")
    issuer_app.register_blueprint(create_pages(issuer))
    return issuer_app.test_client()


@pytest.fixture
def verify(issuer: DevIssuer) -> Callable[[str], Claims]:
    profile = issuer.profile()
    return lambda token: verify_token(token, {profile.issuer: profile})
