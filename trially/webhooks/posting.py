"""Send one message after the other to the address of an endpoint.

Only public addresses are connected to, and no redirect is followed: an owner could otherwise make
this process send requests inside its own network. The address that was checked is the one that is
connected to, so a name server that changes its answer in between gains nothing. Answers are not
stored: only their status is.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, urlsplit

from trially.config import LOOPBACK_HOSTS
from trially.outgoing.addresses import PrivateHostError, may_be_public
from trially.outgoing.deadlines import LimitedConnection
from trially.outgoing.pinning import PinnedTLSConnection

SECONDS = 10.0
"""How long a receiver may take for each answer."""

MOST_ANSWER_BYTES = 65_536
"""Of a longer answer the rest is not read, and the next message gets a new connection."""


@dataclass(frozen=True)
class Outcome:
    """What became of one message."""

    status: int | None
    error: str | None
    duration_ms: int
    retry_after: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has answered with a 2xx."""
        return self.status is not None and 200 <= self.status < 300


def check_url(url: str, *, allow_http: bool) -> SplitResult:
    """Return the parts of a URL, or raise `ValueError` if it is no URL of a webhook."""
    parts = urlsplit(url)
    is_loopback = allow_http and parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not (parts.hostname and (parts.scheme == "https" or is_loopback)):
        raise ValueError("Must be an https URL.")
    if not is_loopback and not may_be_public(parts.hostname):
        raise ValueError("Must have a host with a public address.")
    if parts.username is not None or parts.password is not None:
        raise ValueError("Must have neither a user name nor a password.")
    if parts.fragment or parts.port == 0 or not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("Must be an https URL.")
    return parts


class Poster:
    """Sends messages to one URL, over one connection while the receiver keeps it open."""

    def __init__(self, url: str, *, allow_http: bool) -> None:
        self._parts = check_url(url, allow_http=allow_http)
        self._target = (self._parts.path or "/") + (
            f"?{self._parts.query}" if self._parts.query else ""
        )
        self._connection: HTTPConnection | None = None

    def send(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one message, and return what became of it. Raises nothing."""
        began = time.perf_counter()
        status, error, retry_after = None, None, None
        try:
            response = self._exchange(headers, body)
            status, retry_after = response.status, response.headers.get("Retry-After")
        except PrivateHostError:
            error = "private_address"
        except TimeoutError:
            error = "timeout"
        except ssl.SSLError:
            error = "tls"
        except (OSError, HTTPException, ValueError):
            error = "no_connection"
        if error is not None:
            self.close()
        return Outcome(status, error, round((time.perf_counter() - began) * 1000), retry_after)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _exchange(self, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
        is_reused = self._connection is not None
        try:
            return self._exchange_once(headers, body)
        except (ConnectionError, HTTPException):
            # The receiver may have closed the idle connection just then.
            self.close()
            if not is_reused:
                raise
        return self._exchange_once(headers, body)

    def _exchange_once(self, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
        connection = self._connection or self._connect()
        self._connection = connection
        connection.request("POST", self._target, body, dict(headers))
        response = connection.getresponse()
        response.read(MOST_ANSWER_BYTES)
        if not response.isclosed():
            self.close()
        return response

    def _connect(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return LimitedConnection(host, port, timeout=SECONDS)
        return PinnedTLSConnection(host, port, timeout=SECONDS, context=_tls())


@cache
def _tls() -> ssl.SSLContext:
    # Not made at the start: reading the certificates of all authorities takes 20 ms.
    return ssl.create_default_context()


@contextmanager
def posting_to(url: str, *, allow_http: bool) -> Iterator[Poster]:
    """Yield a `Poster`, and close its connection afterwards."""
    poster = Poster(url, allow_http=allow_http)
    try:
        yield poster
    finally:
        poster.close()
