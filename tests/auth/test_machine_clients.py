"""Machine clients that sign for themselves, each under its own path of one issuer."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from crafted_tokens import AUDIENCE, ED, OTHER_RSA, RSA, make_claims, sign

from trially.auth.signing_keys import ClientKeys
from trially.auth.tokens import IssuerProfile, TokenError, verify_token


class Publisher:
    """A server on which clients publish keys."""

    def __init__(self) -> None:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.paths.append(self.path)
                key = publisher.keys.get(self.path.split("/")[3])
                body = json.dumps({"keys": [key.as_dict(private=False)] if key else []}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.paths: list[str] = []
        self.keys: dict[str, Any] = {"sc_one": ED, "sc_two": OTHER_RSA}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.prefix = f"http://127.0.0.1:{self.server.server_port}/v1/clients/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def profiles(self, **options: Any) -> dict[str, IssuerProfile]:
        keys = ClientKeys(self.prefix, allow_http=True, **options)
        return {
            self.prefix: IssuerProfile(
                issuer=self.prefix,
                audiences=(AUDIENCE,),
                keys=keys,
                types=frozenset({"at+jwt", "JWT"}),
                client_keys=keys,
            )
        }


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.server.shutdown()
    publisher.server.server_close()


def client_token(publisher: Publisher, client_id: str, key: Any = ED, **changes: Any) -> str:
    claims = {"iss": publisher.prefix + client_id, "sub": client_id, **changes}
    return sign(make_claims(**claims), key, "EdDSA" if key is ED else "RS256", typ="JWT")


def reason(publisher: Publisher, token: str, profiles: dict[str, IssuerProfile]) -> str:
    with pytest.raises(TokenError) as refusal:
        verify_token(token, profiles)
    return refusal.value.reason


def test_clients_sign_with_the_key_under_their_own_path(publisher: Publisher) -> None:
    profiles = publisher.profiles()

    for client_id, key in (("sc_one", ED), ("sc_two", OTHER_RSA), ("sc_one", ED)):
        claims = verify_token(client_token(publisher, client_id, key), profiles)
        assert (claims.iss, claims.sub) == (publisher.prefix + client_id, client_id)
        assert claims.profile.issuer == claims.iss

    suffix = "/.well-known/openid-configuration/jwks"
    assert publisher.paths == [f"/v1/clients/{name}{suffix}" for name in ("sc_one", "sc_two")]


def test_a_client_speaks_for_itself_only(publisher: Publisher) -> None:
    profiles = publisher.profiles()

    assert reason(publisher, client_token(publisher, "sc_one", sub="sc_two"), profiles) == (
        "bad_subject"
    )
    assert reason(publisher, client_token(publisher, "sc_two", ED), profiles) == "unknown_key"
    assert reason(publisher, client_token(publisher, "sc_two", RSA), profiles) == "bad_signature"


@pytest.mark.parametrize(
    "path",
    ["", "..", ".", "a/b", "sc_one/", "sc one", "%2e%2e", "sc_one?x=1", "sc_one#", "é", "a" * 129],
)
def test_an_id_cannot_lead_anywhere_else(publisher: Publisher, path: str) -> None:
    token = client_token(publisher, path, sub="sc_one")

    assert reason(publisher, token, publisher.profiles()) == "unknown_issuer"
    assert publisher.paths == []


def test_keys_of_unlisted_clients_are_not_fetched(publisher: Publisher) -> None:
    profiles = publisher.profiles(clients=frozenset({"sc_one"}))

    assert verify_token(client_token(publisher, "sc_one"), profiles)
    token = client_token(publisher, "sc_two", OTHER_RSA)
    assert reason(publisher, token, profiles) == "keys_unavailable"
    assert len(publisher.paths) == 1


def test_invented_clients_cause_few_fetches_per_cool_down(publisher: Publisher) -> None:
    profiles = publisher.profiles(cool_down_seconds=0.3)
    assert verify_token(client_token(publisher, "sc_one"), profiles)

    for number in range(50):
        token = client_token(publisher, f"sc_{number}")
        assert reason(publisher, token, profiles) == "keys_unavailable"

    assert len(publisher.paths) == 1 + 5
    assert verify_token(client_token(publisher, "sc_one"), profiles)
    time.sleep(0.35)
    assert verify_token(client_token(publisher, "sc_two", OTHER_RSA), profiles)
