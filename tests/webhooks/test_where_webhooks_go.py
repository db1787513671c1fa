"""Webhooks go to public addresses only, whatever names and servers say."""

import socket
from typing import Any

import pytest
from members import Member

from trially.outgoing.addresses import PrivateHostError, is_public, public_addresses
from trially.webhooks.pauses import PAUSES, pause_after, requested_pause, silence_after
from trially.webhooks.posting import Poster, check_url

PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
    *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1"),
    *("::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1%eth0"),
    *("ff02::1", "2001:db8::1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]

    monkeypatch.setattr("trially.outgoing.addresses.socket.getaddrinfo", getaddrinfo)


def test_one_private_address_of_a_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "93.184.215.14", "10.0.0.1")

    with pytest.raises(PrivateHostError):
        public_addresses("hooks.example")


@pytest.mark.parametrize("address", PRIVATE[:5])
def test_nothing_is_sent_to_a_private_address(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolve_to(monkeypatch, address)
    connected: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda *each, **_: connected.append(each))

    outcome = Poster("https://hooks.example/x", allow_http=True).send({}, b"{}")

    assert (outcome.status, outcome.error) == (None, "private_address")
    assert connected == []


def test_the_checked_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers otherwise the second time gains nothing."""
    resolve_to(monkeypatch, "93.184.215.14")
    connected: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("http.client.socket.create_connection", connect)
    poster = Poster("https://hooks.example:8443/x", allow_http=False)

    assert poster.send({}, b"{}").error == "no_connection"
    assert connected == [("93.184.215.14", 8443)]


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "ftp://hooks.example/", "https:///x", "hooks.example", ""),
        *("https://user@hooks.example/", "https://:secret@hooks.example/", "https://x:0/"),
        *("https://hooks.example/#x", "https://hooks.example/ x", "https://höoks.example/"),
        *("https://10.0.0.1/", "https://[::1]/", "https://localhost/", "https://db.internal/"),
        *("http://localhost/", "http://127.0.0.1/", "file:///etc/passwd", "https://x:99999/"),
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"Must|Port"):
        check_url(url, allow_http=False)


@pytest.mark.parametrize("url", ["http://hooks.example/", "https://user@hooks.example/", "x"])
def test_the_api_refuses_them(shared_member: Member, url: str) -> None:
    body = {"url": url, "event_types": ["import.finished"]}

    refused = shared_member.post("/webhooks", json=body)

    assert refused.status_code == 422
    assert refused.json["errors"][0]["pointer"] == "/url"


def test_the_test_event_cannot_be_chosen(shared_member: Member) -> None:
    body = {"url": "https://hooks.example/", "event_types": ["webhook.test"]}

    assert shared_member.post("/webhooks", json=body).status_code == 422


def test_pauses_grow_and_end() -> None:
    for attempts, seconds in enumerate(PAUSES, start=1):
        pause = pause_after(attempts)
        assert pause is not None
        assert 0.8 * seconds <= pause <= 1.2 * seconds
    assert pause_after(len(PAUSES) + 1) is None
    assert len({pause_after(1) for _ in range(20)}) > 1
    assert max(silence_after(failures) for failures in range(1, 40)) <= 1.2 * 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5", 5), ("99999999999", 3600), ("-1", None), ("soon", None), (None, None), ("٣", None)],
)
def test_a_receiver_asks_for_a_bounded_pause(header: str | None, seconds: float | None) -> None:
    assert requested_pause(header) == seconds
