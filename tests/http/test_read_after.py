from dataclasses import replace
from uuid import UUID

import pytest
from flask import Response

from trially.http.read_after import COOKIE, HEADER, read_position, write_token
from trially.state import state_of

OURS = UUID("018f0000-0000-7000-8000-000000000001")
THEIRS = UUID("018f0000-0000-7000-8000-000000000002")


@pytest.fixture
def token(app):
    """Create the token that a client receives after a tenant's write."""

    def make(epoch, position, tenant_id=OURS):
        response = Response()
        with app.app_context():
            write_token(response, tenant_id, epoch, position)
        return response.headers[HEADER]

    return make


@pytest.fixture
def read(app):
    """Read the position from a request to a tenant at an epoch."""

    def at(epoch, header=None, cookie=None):
        headers = {HEADER: header} if header is not None else {}
        if cookie is not None:
            headers["Cookie"] = f"{COOKIE}={cookie}"
        with app.test_request_context(headers=headers):
            return read_position(OURS, epoch)

    return at


def test_a_request_without_a_token_requires_no_position(read):
    assert read(3) == 0
    assert read(3, header="") == 0


def test_the_greater_of_header_and_cookie_counts(read, token):
    assert read(3, header=token(3, 500)) == 500
    assert read(3, cookie=token(3, 600)) == 600
    assert read(3, header=token(3, 500), cookie=token(3, 600)) == 600


def test_an_older_epoch_is_ignored_and_a_newer_one_requires_the_primary(read, token):
    assert read(3, header=token(2, 500)) == 0
    assert read(3, header=token(4, 500)) is None


@pytest.mark.parametrize("nonsense", ["x", "ä", "AAAA", "=", "A" * 60])
def test_an_invalid_token_requires_the_primary(read, token, nonsense):
    assert read(3, header=nonsense) is None
    assert read(3, header=token(3, 500, THEIRS)) is None
    assert read(3, header=token(3, 500), cookie=nonsense) is None
    changed = token(3, 500)
    assert (
        read(3, header=changed[:20] + ("A" if changed[20] != "A" else "B") + changed[21:]) is None
    )


def test_a_token_does_not_reveal_the_position(token):
    assert token(3, 500) != token(3, 500)
    assert len(token(3, 500)) == len(token(9, 1 << 60))


@pytest.mark.parametrize(
    ("public_url", "is_secure"), [("http://127.0.0.1", False), ("https://api.example", True)]
)
def test_the_cookie_is_secure_where_the_public_url_is(app, monkeypatch, public_url, is_secure):
    settings = state_of(app).settings
    monkeypatch.setattr(state_of(app), "settings", replace(settings, public_url=public_url))
    response = Response()

    with app.app_context():
        write_token(response, OURS, 3, 500)

    assert ("Secure" in response.headers["Set-Cookie"].split("; ")) == is_secure
