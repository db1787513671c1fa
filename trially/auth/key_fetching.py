"""Fetch an issuer's keys, within limits of time and size."""

import ipaddress
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from typing import IO, Any
from urllib.parse import urlsplit

from joserfc.jwk import Key

from trially.auth.key_import import import_key_set
from trially.auth.strict_json import read_object
from trially.config import LOOPBACK_HOSTS

DISCOVERY_PATH = "/.well-known/openid-configuration"
ABSENT_STATUSES = frozenset({404, 410})


class NotPublishedError(ValueError):
    """The issuer answered that it publishes no such document, or no usable key in it."""


class Fetcher:
    """Fetches documents, each within `seconds` from the first byte sent to the last one received.

    It follows no redirects: issuers do not need them, and they could lead anywhere. Threads may
    share it.
    """

    def __init__(self, *, allow_http: bool, seconds: float, max_bytes: int) -> None:
        self._allow_http = allow_http
        self._seconds = seconds
        self._max_bytes = max_bytes
        # Requests to a loopback issuer must bypass a proxy that is configured in the environment.
        proxies = [urllib.request.ProxyHandler({})] if allow_http else []
        self._opener = urllib.request.build_opener(_NoRedirects, _HTTP, _HTTPS, *proxies)

    def fetch_keys(self, issuer: str, jwks_url: str | None) -> dict[str, Key]:
        """Return the usable keys of an issuer by `kid`; without a URL of them, it is discovered.

        Raises `NotPublishedError` if there are none, or any other exception if they cannot be
        fetched.
        """
        if jwks_url is None:
            document = self.fetch(issuer.rstrip("/") + DISCOVERY_PATH)
            if document.get("issuer") != issuer:
                raise ValueError("The discovery document names another issuer.")
            jwks_url = document["jwks_uri"]
            # The issuer's own host may be private, because the operator chose it.
            if urlsplit(jwks_url).hostname != urlsplit(issuer).hostname:
                _refuse_private_host(jwks_url)
        keys = import_key_set(self.fetch(jwks_url))
        if not keys:
            raise NotPublishedError("The JWKS has no usable key.")
        return keys

    def fetch(self, url: str) -> dict[str, Any]:
        """Return the JSON object at a URL.

        Raises `NotPublishedError`, or any other exception if the document cannot be fetched.
        """
        self._refuse_insecure(url)
        with _limited_to(self._seconds):
            try:
                with self._opener.open(url, timeout=self._seconds) as response:
                    body = self._read(response)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code in ABSENT_STATUSES:
                        raise NotPublishedError("The issuer has no such document.") from None
                raise
        return read_object(body)

    def _read(self, response: Any) -> bytes:
        deadline = time.monotonic() + self._seconds
        body = bytearray()
        while chunk := response.read1(65_536):
            body += chunk
            if len(body) > self._max_bytes:
                raise ValueError("The response is too large.")
            if time.monotonic() > deadline:
                raise TimeoutError("The response took too long.")
        return bytes(body)

    def _refuse_insecure(self, url: str) -> None:
        parts = urlsplit(url)
        loopback = self._allow_http and parts.hostname in LOOPBACK_HOSTS
        if not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
            raise ValueError("The URL is not https.")


def _refuse_private_host(url: str) -> None:
    """Raise `ValueError` if a URL leads to a private address.

    A document of an issuer could otherwise make this process send requests inside its own network.
    """
    host = urlsplit(url).hostname
    for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        if not ipaddress.ip_address(address[0]).is_global:
            raise ValueError("The document names a private host.")


class _Deadline:
    """The sockets of one fetch. They are shut down when its time is over.

    A socket's own timeout limits each call only, so a peer that drips bytes would never reach it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[int] = []
        self._is_over = False

    def add(self, opened: socket.socket) -> None:
        """Add a socket, or raise `TimeoutError` if the time is over.

        A copy of its descriptor is kept, because TLS replaces the socket object.
        """
        with self._lock:
            if self._is_over:
                raise TimeoutError("The issuer was not reached in time.")
            self._sockets.append(os.dup(opened.fileno()))

    def end(self) -> None:
        """Shut down the sockets."""
        with self._lock:
            self._is_over = True
            while self._sockets:
                with socket.socket(fileno=self._sockets.pop()) as copy, suppress(OSError):
                    copy.shutdown(socket.SHUT_RDWR)


class _Current(threading.local):
    deadline: _Deadline | None = None


_current = _Current()
"""The deadline of the fetch that this thread runs."""


@contextmanager
def _limited_to(seconds: float) -> Iterator[None]:
    """Shut down the sockets that this thread opens in the block after `seconds`."""
    deadline = _current.deadline = _Deadline()
    timer = threading.Timer(seconds, deadline.end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _current.deadline = None
        deadline.end()


class _Limited(HTTPConnection):
    """A connection whose socket is shut down at the deadline of the thread's fetch."""

    def connect(self) -> None:
        """Connect over TCP."""
        super().connect()
        if _current.deadline is not None:
            _current.deadline.add(self.sock)


class _LimitedTLS(HTTPSConnection, _Limited):
    """The same over TLS. `HTTPSConnection.connect` calls `_Limited.connect` for the TCP part."""


class _HTTP(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Limited, req)


class _HTTPS(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_LimitedTLS, req)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as a failure."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Refuse; urllib then raises the 3xx answer as an error."""
