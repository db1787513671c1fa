"""Machine clients that sign for themselves, each under its own path of one issuer."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from crafted_tokens import AUDIENCE, ED, OTHER_RSA, RSA, make_claims, sign

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.signing_keys import STRANGERS_BURST, ClientKeys
from trially.auth.token_errors import TokenError, UnverifiableTokenError
from trially.auth.tokens import verify_token


class Publisher:
    """A server on which clients publish keys."""

    def __init__(self) -> None:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.paths.append(self.path)
                key = publisher.keys.get(self.path.split("/")[3])
                body = json.dumps({"keys": [key.as_dict(private=False)] if key else []}).encode()
                self.send_response(publisher.status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.paths: list[str] = []
        self.status = 200
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
    assert reason(publisher, token, profiles) == "unknown_client"
    assert len(publisher.paths) == 1


def test_invented_clients_cause_few_fetches_and_stop_no_member(publisher: Publisher) -> None:
    profiles = publisher.profiles(is_member=lambda client_id: client_id == "sc_two")
    assert verify_token(client_token(publisher, "sc_one"), profiles)

    reasons = {
        reason(publisher, client_token(publisher, f"sc_{number}"), profiles)
        for number in range(4 * STRANGERS_BURST)
    }

    assert reasons == {"unknown_key", "unknown_client"}
    assert len(publisher.paths) < 2 * STRANGERS_BURST
    assert verify_token(client_token(publisher, "sc_one"), profiles)
    assert verify_token(client_token(publisher, "sc_two", OTHER_RSA), profiles)


def test_whether_a_client_is_a_member_may_be_unknown(publisher: Publisher) -> None:
    profiles = publisher.profiles(is_member=lambda _: None)
    for number in range(STRANGERS_BURST + 1):
        reason(publisher, client_token(publisher, f"sc_{number}"), profiles)

    with pytest.raises(UnverifiableTokenError):
        verify_token(client_token(publisher, "sc_two", OTHER_RSA), profiles)


def test_clients_keys_that_cannot_be_fetched_are_not_taken_for_none(publisher: Publisher) -> None:
    profiles, token = publisher.profiles(cool_down_seconds=0), client_token(publisher, "sc_one")
    publisher.status = 500

    with pytest.raises(UnverifiableTokenError) as refusal:
        verify_token(token, profiles)
    assert refusal.value.issuer == publisher.prefix

    publisher.status = 200
    assert verify_token(token, profiles)


@pytest.mark.parametrize("status", [200, 404, 410])
def test_a_client_that_has_withdrawn_its_keys_is_refused(publisher: Publisher, status: int) -> None:
    profiles = publisher.profiles(max_age_seconds=0)
    assert verify_token(client_token(publisher, "sc_one"), profiles)

    publisher.keys.clear()
    publisher.status = status

    assert reason(publisher, client_token(publisher, "sc_one"), profiles) == "unknown_key"


def test_the_number_of_cached_clients_is_limited(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trially.auth.signing_keys.MOST_CLIENTS", 2)
    monkeypatch.setattr("trially.auth.signing_keys.MOST_STRANGERS", 3)
    profiles = publisher.profiles()
    keys = profiles[publisher.prefix].client_keys
    assert keys is not None
    for number in range(5):
        publisher.keys[f"sc_{number}"] = ED
        for _ in range(2):
            assert verify_token(client_token(publisher, f"sc_{number}"), profiles)
        reason(publisher, client_token(publisher, f"nobody_{number}"), profiles)

    assert list(keys._known) == ["sc_3", "sc_4"]
    assert list(keys._strange) == ["nobody_2", "nobody_3", "nobody_4"]
