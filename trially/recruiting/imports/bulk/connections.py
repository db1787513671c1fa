"""Connect to the hosts of an export: those that the operator names, and over TLS only."""

import ipaddress
import ssl
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from trially.config import LOOPBACK_HOSTS
from trially.recruiting.imports.bulk.errors import BulkError

SECONDS_OF_CONNECTION = 60.0
LARGEST_ANSWER_BYTES = 16 * 2**20
LONGEST_URL = 4_000
MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """A whole answer of a server."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


class Hosts:
    """The hosts of an export, and what each of them may get.

    A server's answers name URLs, and could lead this client anywhere. So requests are sent only to
    the server of the base URL, and to hosts that the operator names. The server and `trusted` hosts
    may be private and get the access token. `allowed` hosts must be public, and never get it.
    """

    def __init__(
        self, base_url: str, trusted: Collection[str] = (), allowed: Collection[str] = ()
    ) -> None:
        """Check the base URL. Raises `BulkError` if it is neither https nor loopback."""
        base = _split(base_url)
        self._allows_http = base.scheme == "http" and base.hostname in LOOPBACK_HOSTS
        self._base_origin = _origin(base)
        self._private = {base.hostname, *(name.partition(":")[0] for name in trusted)}
        self._trusted = frozenset(trusted)
        self._named = self._trusted | frozenset(allowed)
        self.check(base_url)

    def check(self, url: str) -> SplitResult:
        """Return the parts of a URL. Raises `BulkError` for one that must not be requested."""
        parts = _split(url)
        is_loopback = parts.hostname in LOOPBACK_HOSTS and self._allows_http
        if not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback)):
            raise BulkError(f"The URL of {parts.hostname} is not https.")
        if parts.username is not None or parts.password is not None:
            raise BulkError(f"The URL of {parts.hostname} has a user name or password.")
        if _origin(parts) != self._base_origin and not _is_named(parts, self._named):
            raise BulkError(
                f"The server names a URL of {_authority(parts)}, which is another server. Name it"
                " with --allow-host if that is right."
            )
        return parts

    def may_have_token(self, url: str) -> bool:
        """Return whether requests to a URL may have the access token."""
        parts = _split(url)
        return _origin(parts) == self._base_origin or _is_named(parts, self._trusted)

    def may_be_private(self, host: str) -> bool:
        """Return whether a host may have a private address."""
        return host in self._private


class Connector:
    """Sends requests to the hosts of an export."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self._tls = ssl.create_default_context()

    def send(self, method: str, url: str, headers: Headers, body: bytes | None = None) -> Answer:
        """Return the answer to a request. It is not followed if it is a redirect.

        Raises `OSError` or `HTTPException` if there is no whole answer.
        """
        with self._request(method, url, headers, body) as response:
            content = response.read(LARGEST_ANSWER_BYTES + 1)
            if len(content) > LARGEST_ANSWER_BYTES:
                raise BulkError(f"An answer is larger than {LARGEST_ANSWER_BYTES:,} bytes.")
            return Answer(response.status, _headers(response), _unpacked(response, content))

    @contextmanager
    def open(self, url: str, headers: Headers) -> Iterator[HTTPResponse]:
        """Yield the answer to a GET request, to be read in parts, and follow redirects.

        The access token is not sent to other hosts that a redirect leads to.
        """
        for redirects in range(MOST_REDIRECTS + 1):
            sent = dict(headers)
            if redirects and not self.hosts.may_have_token(url):
                sent.pop("Authorization", None)
            with self._request("GET", url, sent, None) as response:
                location = response.headers.get("Location")
                if response.status not in REDIRECTS or location is None:
                    yield response
                    return
                url = urljoin(url, location)
        raise BulkError(f"A file is redirected more than {MOST_REDIRECTS} times.")

    @contextmanager
    def _request(
        self, method: str, url: str, headers: Headers, body: bytes | None
    ) -> Iterator[HTTPResponse]:
        parts = self.hosts.check(url)
        if "Authorization" in headers and not self.hosts.may_have_token(url):
            raise BulkError(
                f"The server wants the access token to be sent to {_authority(parts)}, which is"
                " another server. Name it with --trust-host if that is right."
            )
        host = parts.hostname or ""
        may_be_private = self.hosts.may_be_private(host)
        connection: _Checked
        if parts.scheme == "https":
            connection = _CheckedTLS(
                host, parts.port, timeout=SECONDS_OF_CONNECTION, context=self._tls
            )
        else:
            connection = _Checked(host, parts.port, timeout=SECONDS_OF_CONNECTION)
        connection.may_be_private = may_be_private
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target, body, {"Accept-Encoding": "identity", **headers})
            yield connection.getresponse()
        finally:
            connection.close()


class _Checked(HTTPConnection):
    """A connection that refuses private addresses of hosts that must be public.

    The address of the connection is checked, so that a name cannot change its address in between.
    """

    may_be_private = False

    def connect(self) -> None:
        """Connect over TCP."""
        super().connect()
        address = ipaddress.ip_address(self.sock.getpeername()[0].partition("%")[0])
        if not self.may_be_private and not address.is_global:
            self.close()
            raise BulkError(
                f"The host {self.host} of a file has a private address. Name it with --trust-host"
                " if that is right."
            )


class _CheckedTLS(HTTPSConnection, _Checked):
    """The same over TLS. `HTTPSConnection.connect` calls `_Checked.connect` for the TCP part."""


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_valid = False
    if not is_valid or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
        raise BulkError("A URL of the export is not valid.")
    if " " in url:
        raise BulkError("A URL of the export is not valid.")
    return parts


def _origin(parts: SplitResult) -> tuple[Any, ...]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname, port


def _authority(parts: SplitResult) -> str:
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _is_named(parts: SplitResult, names: Collection[str]) -> bool:
    """Return whether names have the host, and also its port unless that is the scheme's."""
    _, host, port = _origin(parts)
    return f"{host}:{port}" in names or (_has_own_port(parts) and host in names)


def _has_own_port(parts: SplitResult) -> bool:
    return parts.port in (None, 443 if parts.scheme == "https" else 80)


def _unpacked(response: HTTPResponse, content: bytes) -> bytes:
    """Return an answer that some servers compress although the request does not accept it."""
    if response.headers.get("Content-Encoding", "").lower() != "gzip":
        return content
    stream = zlib.decompressobj(wbits=31)
    try:
        unpacked = stream.decompress(content, LARGEST_ANSWER_BYTES)
    except zlib.error as error:
        raise HTTPException("The answer is not compressed as it says.") from error
    if stream.unconsumed_tail:
        raise BulkError(f"An answer is larger than {LARGEST_ANSWER_BYTES:,} bytes.")
    return unpacked


def _headers(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


CONNECTION_ERRORS = (OSError, HTTPException)
"""Errors of a connection, after which a request is sent again."""
