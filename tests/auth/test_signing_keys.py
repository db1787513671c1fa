"""Keys are fetched from the issuer only, rarely, and kept while it is down."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from http_issuers import EC, ED, FAILURES, RSA, Issuer
from joserfc.jwk import ECKey, Key

from trially.auth.remote_keys import BURST, MOST_FETCHES, MOST_WAITING
from trially.auth.signing_keys import (
    KeysUnavailableError,
    RemoteKeys,
    UnknownKeyError,
)


@pytest.fixture
def keys_of(issuer: Issuer) -> Callable[..., RemoteKeys]:
    def keys_of(**settings: Any) -> RemoteKeys:
        return RemoteKeys(issuer.url, **{"allow_http": True, "timeout": 1, **settings})

    return keys_of


def eventually(find: Callable[[], Key]) -> Key:
    """Return a key as soon as the issuer's keys can be fetched."""
    for _ in range(200):
        try:
            return find()
        except KeysUnavailableError:
            time.sleep(0.05)
    return find()


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
    keys = keys_of(cool_down_seconds=0)
    keys.key("rs-1")
    keys._fetched_at -= 400
    issuer.delay = 0.9

    assert keys.key("rs-1")
    assert keys.key("rs-1")

    assert len(keys._running) == 1


def test_keys_of_the_greatest_age_are_fetched_before_they_are_used(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    keys = keys_of()
    keys.key("rs-1")
    keys._fetched_at -= 600
    issuer.publish(EC)

    with pytest.raises(UnknownKeyError):
        keys.key("rs-1")


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_keys_outlive_a_failing_issuer(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys], fail: Callable[[Issuer], None]
) -> None:
    keys = keys_of(cool_down_seconds=0, max_age_seconds=0)
    keys.key("rs-1")

    fail(issuer)

    assert keys.key("rs-1")
    assert keys._is_failing(time.monotonic())
    assert keys._fetched_at < keys._tried_at
    with pytest.raises(KeysUnavailableError):
        keys.key("unknown")


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_an_issuer_that_is_well_again_is_found_so_at_once(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys], fail: Callable[[Issuer], None]
) -> None:
    keys = keys_of(cool_down_seconds=0.05)
    fail(issuer)
    with pytest.raises(KeysUnavailableError):
        keys.key("rs-1")

    issuer.repair()

    # The fetches that have had no answer have not ended yet.
    assert eventually(lambda: keys.key("rs-1"))


def test_a_failing_issuer_holds_one_thread(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    issuer.delay = 5
    keys = keys_of()
    with pytest.raises(KeysUnavailableError):
        keys.key("rs-1")

    def wait() -> None:
        with pytest.raises(KeysUnavailableError):
            keys.key("rs-1")

    waiting = threading.Thread(target=wait)
    waiting.start()
    while keys._trial_place._value:
        time.sleep(0.001)

    for _ in range(20):
        with pytest.raises(KeysUnavailableError):
            keys.key("rs-1")

    assert waiting.is_alive()
    waiting.join()
    assert len(keys._running) <= MOST_FETCHES


@pytest.mark.parametrize("fail", ["hanging", "dripping", "dripping-headers", "50-MB"])
def test_each_fetch_ends(issuer: Issuer, keys_of: Callable[..., RemoteKeys], fail: str) -> None:
    FAILURES[fail](issuer)
    keys = keys_of(timeout=0.5)

    with pytest.raises(KeysUnavailableError):
        keys.key("rs-1")

    # The server goes on for 3 to 5 seconds, and the fetch must not.
    for _ in range(200):
        if not keys._running:
            break
        time.sleep(0.01)
    assert not keys._running


def test_a_slow_issuer_holds_few_threads_of_callers_with_unknown_kids(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    keys = keys_of()
    keys.key("rs-1")
    issuer.delay = 0.8

    def search(number: int) -> None:
        with pytest.raises((KeysUnavailableError, UnknownKeyError)):
            keys.key(f"unknown-{number}")

    threads = [threading.Thread(target=search, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    while sum(thread.is_alive() for thread in threads) > MOST_WAITING:
        time.sleep(0.001)

    assert keys._running
    assert keys.key("rs-1")
    for thread in threads:
        thread.join()


def test_keys_that_were_not_confirmed_for_too_long_are_not_used(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys]
) -> None:
    keys = keys_of(cool_down_seconds=0, max_age_seconds=0.1, outage_seconds=0.3)
    keys.key("rs-1")
    issuer.answer("/jwks", "", 500)

    assert keys.key("rs-1")
    time.sleep(0.35)
    with pytest.raises(KeysUnavailableError):
        keys.key("rs-1")
    issuer.publish(EC)
    assert eventually(lambda: keys.key("es-1"))
    with pytest.raises(UnknownKeyError):
        keys.key("rs-1")


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    issuer: Issuer, keys_of: Callable[..., RemoteKeys], caplog: pytest.LogCaptureFixture
) -> None:
    keys = keys_of(cool_down_seconds=0)
    issuer.answer("/jwks", "", 500)
    for _ in range(5):
        with pytest.raises(KeysUnavailableError):
            keys.key("rs-1")
    issuer.repair()
    keys.key("rs-1")

    assert [record.getMessage().split(issuer.url)[0] for record in caplog.records] == [
        "Could not fetch the keys of ",
        "The keys of ",
    ]


def test_an_issuer_that_never_responded_gets_one_request_per_second(
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
