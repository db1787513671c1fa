"""Keys are fetched from the issuer only, rarely, and kept while it is down."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from trially.auth.remote_keys import BURST
from trially.auth.signing_keys import (
    KeysUnavailableError,
    RemoteKeys,
    UnknownKeyError,
)

RSA = RSAKey.generate_key(2048, {"kid": "rs-1", "alg": "RS256", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "es-1"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed-1", "alg": "EdDSA"})


def public(key: Any, **changes: Any) -> dict[str, Any]:
    jwk = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in jwk.items() if value is not ...}


class Issuer:
    """A real HTTP server with prepared responses, which records the requested paths."""

    def __init__(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.paths.append(self.path)
                time.sleep(issuer.delay)
                answer = issuer.answers.get(self.path, (404, b"", {}))
                status, body, headers = answer(self) if callable(answer) else answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    return

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.paths: list[str] = []
        self.answers: dict[str, Any] = {}
        self.delay = 0.0
        self.describe()
        self.publish(RSA, EC)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def describe(self, **changes: Any) -> None:
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **changes}
        self.answer("/.well-known/openid-configuration", json.dumps(document))

    def publish(self, *keys: Any) -> None:
        jwks = {"keys": [key if isinstance(key, dict) else public(key) for key in keys]}
        self.answer("/jwks", json.dumps(jwks))

    def answer(self, path: str, body: str | bytes, status: int = 200, **headers: str) -> None:
        body = body.encode() if isinstance(body, str) else body
        self.answers[path] = (status, body, headers)

    def fetches(self) -> int:
        return self.paths.count("/jwks")

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def keys_of(issuer: Issuer) -> Callable[..., RemoteKeys]:
    def keys_of(**settings: Any) -> RemoteKeys:
        return RemoteKeys(issuer.url, **{"allow_http": True, "timeout": 1, **settings})

    return keys_of


def test_keys_are_discovered_and_kept(issuer: Issuer, keys_of: Callable[..., RemoteKeys]) -> None:
    keys = keys_of()

    assert keys.key("rs-1").as_dict(private=False)["n"] == RSA["n"]
    assert keys.key("es-1").alg == "ES256"
    assert issuer.paths == ["/.well-known/openid-configuration", "/jwks"]


def test_a_given_jwks_url_needs_no_discovery(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    keys = keys_of(jwks_url=f"{issuer.url}/jwks")

    assert keys.key("rs-1")
    assert issuer.paths == ["/jwks"]


def test_unknown_kids_cause_few_fetches(issuer: Issuer, keys_of: Callable[..., RemoteKeys]) -> None:
    keys = keys_of(cool_down_seconds=60)
    keys.key("rs-1")

    for number in range(200):
        with pytest.raises(UnknownKeyError):
            keys.key(f"unknown-{number}")

    assert issuer.fetches() == BURST


def test_an_unknown_kid_is_searched_in_a_fetch_that_began_after_it_was_seen(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    keys = keys_of()
    keys.key("rs-1")

    for number in range(BURST - 1):
        new = ECKey.generate_key("P-256", {"kid": f"new-{number}"})
        issuer.publish(RSA, new)
        assert keys.key(f"new-{number}")


def test_threads_share_one_first_fetch(issuer: Issuer, keys_of: Callable[..., RemoteKeys]) -> None:
    issuer.delay = 0.1
    keys = keys_of()

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(keys.key, ["rs-1", "es-1"] * 16))

    assert len(results) == 32
    assert issuer.fetches() == 1


def test_a_rotated_key_is_found_and_the_old_one_forgotten(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    keys = keys_of(cool_down_seconds=0)
    keys.key("rs-1")
    issuer.publish(EC, ED)

    assert keys.key("ed-1").alg == "Ed25519"
    with pytest.raises(UnknownKeyError):
        keys.key("rs-1")


def test_old_keys_are_refreshed(issuer: Issuer, keys_of: Callable[..., RemoteKeys]) -> None:
    keys = keys_of(cool_down_seconds=0, max_age_seconds=0.1)
    keys.key("rs-1")
    issuer.publish(EC)
    assert keys.key("rs-1")
    time.sleep(0.15)

    with pytest.raises(UnknownKeyError):
        keys.key("rs-1")
    assert keys.key("es-1")


def test_holders_of_an_old_key_do_not_wait(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    keys = keys_of(cool_down_seconds=0, max_age_seconds=0)
    keys.key("rs-1")
    issuer.delay = 0.9
    refresher = threading.Thread(target=keys.key, args=("rs-1",))
    refresher.start()
    while not keys._running:
        time.sleep(0.01)

    assert keys.key("rs-1")

    assert refresher.is_alive()
    refresher.join()


def _drip(handler: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(30):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            break
        time.sleep(0.1)
    raise ConnectionAbortedError


FAILURES: dict[str, Callable[[Issuer], None]] = {
    "down": lambda issuer: issuer.stop(),
    "error": lambda issuer: issuer.answer("/jwks", "{}", 500),
    "empty": lambda issuer: issuer.answer("/jwks", ""),
    "no-content": lambda issuer: issuer.answer("/jwks", "", 204),
    "html": lambda issuer: issuer.answer("/jwks", "<html><h1>Maintenance</h1></html>"),
    "list": lambda issuer: issuer.answer("/jwks", "[]"),
    "no-keys": lambda issuer: issuer.answer("/jwks", "{}"),
    "keys-text": lambda issuer: issuer.answer("/jwks", '{"keys": "rs-1"}'),
    "keys-number": lambda issuer: issuer.answer("/jwks", '{"keys": 1}'),
    "no-usable-key": lambda issuer: issuer.publish(public(RSA, kid=...)),
    "deep": lambda issuer: issuer.answer("/jwks", "[" * 100_000),
    "50-MB": lambda issuer: issuer.answer("/jwks", b" " * 50_000_000),
    "bad-utf-8": lambda issuer: issuer.answer("/jwks", b'{"keys": "\xff"}'),
    "redirect": lambda issuer: issuer.answer(
        "/jwks", "", 302, Location="http://169.254.169.254/latest/meta-data"
    ),
    "redirect-same-host": lambda issuer: issuer.answer("/jwks", "", 307, Location="/other"),
    "redirect-file": lambda issuer: issuer.answer("/jwks", "", 302, Location="file:///etc/passwd"),
    "discovery-down": lambda issuer: issuer.answer("/.well-known/openid-configuration", "", 503),
    "discovery-of-another": lambda issuer: issuer.describe(issuer="https://evil.example"),
    "discovery-with-slash": lambda issuer: issuer.describe(issuer=issuer.url + "/"),
    "jwks-uri-plain-http": lambda issuer: issuer.describe(jwks_uri="http://login.example/jwks"),
    "jwks-uri-file": lambda issuer: issuer.describe(jwks_uri="file:///etc/passwd"),
    "jwks-uri-number": lambda issuer: issuer.describe(jwks_uri=7),
    "jwks-uri-missing": lambda issuer: issuer.describe(jwks_uri=None),
    "jwks-uri-metadata": lambda issuer: issuer.describe(jwks_uri="https://169.254.169.254/keys"),
    "jwks-uri-private": lambda issuer: issuer.describe(jwks_uri="https://10.0.0.1/keys"),
    "jwks-uri-mapped": lambda issuer: issuer.describe(jwks_uri="https://[::ffff:10.0.0.1]/keys"),
    "slow": lambda issuer: setattr(issuer, "delay", 1.5),
    "dripping": lambda issuer: issuer.answers.update({"/jwks": _drip}),
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_keys_outlive_a_failing_issuer(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys], fail: Callable[[Issuer], None]
) -> None:
    keys = keys_of(cool_down_seconds=0, max_age_seconds=0)
    keys.key("rs-1")
    issuer.server.handle_error = lambda *_: None  # type: ignore[method-assign]

    fail(issuer)

    assert keys.key("rs-1")
    assert keys._fetched_at < keys._tried_at


def test_an_issuer_that_never_responded_gets_one_request_per_cool_down(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    issuer.answer("/jwks", "", 500)
    keys = keys_of()

    for _ in range(50):
        with pytest.raises(KeysUnavailableError):
            keys.key("rs-1")

    assert issuer.fetches() == 1


@pytest.mark.parametrize(
    "url", ["http://login.example", "ftp://login.example", "file:///etc", "login.example", ""]
)
@pytest.mark.parametrize("allow_http", [True, False])
def test_only_https_is_used(url: str, allow_http: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))

    with pytest.raises(KeysUnavailableError):
        RemoteKeys(url, allow_http=allow_http).key("rs-1")


def test_http_is_for_development_only(issuer: Issuer) -> None:
    with pytest.raises(KeysUnavailableError):
        RemoteKeys(issuer.url).key("rs-1")

    assert issuer.paths == []
