"""The test of an issuer says in plain words what is wrong, in time, and reaches nothing private."""

import json
import socket
import time

import pytest
from http_issuers import EC, FAILURES, RSA
from own_issuers import Registered, refused

from trially.auth.own_issuers import bounds
from trially.auth.own_issuers.testing import FETCH_SECONDS, SECONDS, run_test
from trially.state import state_of

WORDS = {
    "down": "no connection",
    "error": "status 500",
    "empty": "not a JSON document",
    "no-content": "not a JSON document",
    "html": "not a JSON document",
    "list": "not a JSON document",
    "no-keys": "not a JSON document",
    "keys-text": "no usable key",
    "keys-number": "not a JSON document",
    "no-usable-key": "no usable key",
    "deep": "not a JSON document",
    "50-MB": "larger than 256 kB",
    "bad-utf-8": "not a JSON document",
    "redirect": "redirect",
    "redirect-same-host": "redirect",
    "redirect-file": "redirect",
    "discovery-down": "status 503",
    "discovery-of-another": "names another issuer",
    "discovery-with-slash": "names another issuer",
    "jwks-uri-plain-http": "no https URL",
    "jwks-uri-file": "no https URL",
    "jwks-uri-number": "has no jwks_uri",
    "jwks-uri-missing": "has no jwks_uri",
    "jwks-uri-metadata": "no public address",
    "jwks-uri-private": "no public address",
    "jwks-uri-mapped": "no public address",
    "hanging": "longer than 2 seconds",
    "dripping-headers": "longer than 2 seconds",
    "dripping": "longer than 2 seconds",
}


def test_a_good_issuer_passes(registered: Registered) -> None:
    report = registered.owner.post(f"{registered.path}/test").json
    assert report["is_usable"]
    assert [check["name"] for check in report["checks"]] == ["discovery", "keys"]
    assert report["keys"] == [
        {"kid": "es-1", "algorithm": "ES256"},
        {"kid": "rs-1", "algorithm": "RS256"},
    ]


def test_every_failure_has_words() -> None:
    assert WORDS.keys() | {"slow"} == FAILURES.keys()


@pytest.mark.parametrize("failure", WORDS)
def test_a_failure_is_said_in_words(registered: Registered, failure: str) -> None:
    FAILURES[failure](registered.issuer)
    began = time.monotonic()

    report = registered.owner.post(f"{registered.path}/test").json

    assert time.monotonic() - began < SECONDS + 1
    assert not report["is_usable"]
    assert report["keys"] == []
    assert WORDS[failure] in report["checks"][-1]["detail"], report
    asked = set(registered.issuer.paths)
    assert asked <= {"/jwks", "/.well-known/openid-configuration"}, "A redirect was followed."


def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name server answers with a public address once, and with a private one after that."""
    answers = iter(["8.8.8.8", "127.0.0.1"])
    asked: list[str] = []

    def resolve(host: str, port: object, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (next(answers, "127.0.0.1") if host == "rebinding.example" else host, 0))]

    connected: list[str] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address[0])
        raise OSError("refused")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    known = state_of(registered.owner.app)
    part = known.own_issuers.bounds.of(registered.owner.tenant.id)

    first = run_test("https://rebinding.example", known.settings, part)
    second = run_test("https://rebinding.example", known.settings, part)

    assert "no connection" in first.checks[0].detail
    assert "no public address" in second.checks[0].detail
    assert connected == ["8.8.8.8"], "The checked address is the one that is connected to."


def test_a_proxy_of_the_environment_is_not_asked(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", registered.issuer.url)
    known = state_of(registered.owner.app)
    part = known.own_issuers.bounds.of(registered.owner.tenant.id)
    report = run_test("https://10.0.0.1", known.settings, part)
    assert "no public address" in report.checks[0].detail
    assert registered.issuer.paths == []


def test_a_silent_name_server_is_not_waited_for(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(SECONDS + 2) or [])
    known = state_of(registered.owner.app)
    part = known.own_issuers.bounds.of(registered.owner.tenant.id)
    began = time.monotonic()
    report = run_test("https://silent.example", known.settings, part)
    assert time.monotonic() - began < SECONDS + 1
    assert "within 5 seconds" in report.checks[0].detail


def test_tests_are_limited(registered: Registered) -> None:
    path = f"{registered.path}/test"
    codes = [registered.owner.post(path).status_code for _ in range(bounds.TESTS_AT_ONCE + 1)]
    assert codes == [200] * bounds.TESTS_AT_ONCE + [429]
    assert refused(registered.owner.post(path)) == (429, "too_many_requests")


def test_a_document_with_strange_urls_is_shown_safely(registered: Registered) -> None:
    registered.issuer.describe(jwks_uri="https://x:99999999/\n\u202eevil?secret=1")
    report = registered.owner.post(f"{registered.path}/test").json
    shown = json.dumps(report)
    assert not report["is_usable"]
    assert "secret" not in shown
    assert "u202e" not in shown


def test_only_accepted_algorithms_count(registered: Registered) -> None:
    registered.issuer.publish({**RSA.as_dict(private=False), "alg": "PS512"}, EC)
    report = registered.owner.post(f"{registered.path}/test").json
    assert report["keys"] == [{"kid": "es-1", "algorithm": "ES256"}]
    assert FETCH_SECONDS * 2 < SECONDS
