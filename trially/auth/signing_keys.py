"""Fetch and cache the public keys of trusted issuers."""

import ipaddress
import logging
import socket
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import IO, Any, cast
from urllib.parse import urlsplit

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from trially.auth.key_import import import_key_set, import_signing_key
from trially.auth.strict_json import read_object
from trially.config import LOOPBACK_HOSTS

log = logging.getLogger(__name__)

DISCOVERY_PATH = "/.well-known/openid-configuration"
CLIENT_ID = "{client_id}"
"""The placeholder for the client's id in the URL of its keys."""


class UnknownKeyError(LookupError):
    """The issuer has no key with this `kid`."""


class KeysUnavailableError(LookupError):
    """The issuer's keys have never been fetched, so no token can be verified."""


class LocalKeys:
    """The key of an issuer inside this process."""

    def __init__(self, private_key: RSAKey | ECKey | OKPKey) -> None:
        key = import_signing_key(cast("Mapping[str, Any]", private_key.as_dict(private=False)))
        self._keys = {key.kid: key}

    def key(self, kid: str) -> Key:
        """Return the key with this `kid`, or raise `UnknownKeyError`."""
        try:
            return self._keys[kid]
        except KeyError:
            raise UnknownKeyError("The issuer has no key with this kid.") from None

    def are_available(self) -> bool:
        """Return True: the key is in memory."""
        return True


class RemoteKeys:
    """The keys that an issuer publishes, fetched when needed and kept while it is unreachable.

    The issuer gets at most one fetch per cool-down, whatever tokens callers send.
    """

    def __init__(
        self,
        issuer: str,
        *,
        jwks_url: str | None = None,
        allow_http: bool = False,
        timeout: float = 2,
        max_bytes: int = 262_144,
        cool_down_seconds: float = 30,
        max_age_seconds: float = 600,
    ) -> None:
        self.issuer = issuer
        self._jwks_url = jwks_url
        self._allow_http = allow_http
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._cool_down_seconds = cool_down_seconds
        self._max_age_seconds = max_age_seconds
        self._keys: dict[str, Key] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = threading.Lock()
        # Requests to a loopback issuer must bypass a proxy that is configured in the environment.
        proxies = [urllib.request.ProxyHandler({})] if allow_http else []
        self._opener = urllib.request.build_opener(_NoRedirects, *proxies)

    def key(self, kid: str) -> Key:
        """Return the key with this `kid`, fetching the issuer's keys if it is missing or old.

        Raises `UnknownKeyError`, or `KeysUnavailableError` if no fetch has succeeded yet.
        """
        key = self._keys.get(kid)
        if key is None or time.monotonic() >= self._fetched_at + self._max_age_seconds:
            # If the key is cached but old, do not wait for another thread's fetch: use the old key.
            self._refresh(wait_seconds=2 * self._timeout if key is None else 0)
            key = self._keys.get(kid)
        if key is None:
            if not self._keys:
                raise KeysUnavailableError("The issuer's keys have not been fetched.")
            raise UnknownKeyError("The issuer has no key with this kid.")
        return key

    def are_available(self) -> bool:
        """Return whether any key is cached, after a fetch if none was."""
        if not self._keys:
            self._refresh(wait_seconds=self._timeout)
        return bool(self._keys)

    def _refresh(self, *, wait_seconds: float) -> None:
        # A cool-down begins with the fetch, so a fetch may be running that is worth waiting for.
        if self._is_cooling_down() and not (wait_seconds and self._fetching.locked()):
            return
        if not self._fetching.acquire(timeout=wait_seconds):
            return
        try:
            if self._is_cooling_down():
                return
            self._tried_at = time.monotonic()
            keys = self._fetch()
            # Readers hold no lock, so the dict is replaced as a whole and never changed.
            self._keys, self._fetched_at = keys, time.monotonic()
        except Exception as error:  # noqa: BLE001  a failed fetch must not fail the request
            log.warning("Could not fetch the keys of %s: %s", self.issuer, error)
        finally:
            self._fetching.release()

    def _is_cooling_down(self) -> bool:
        return time.monotonic() < self._tried_at + self._cool_down_seconds

    def _fetch(self) -> dict[str, Key]:
        jwks_url = self._jwks_url
        if jwks_url is None:
            document = self._get(self.issuer.rstrip("/") + DISCOVERY_PATH)
            if document.get("issuer") != self.issuer:
                raise ValueError("The discovery document names another issuer.")
            jwks_url = document["jwks_uri"]
            self._refuse_private_host(jwks_url)
        keys = import_key_set(self._get(jwks_url))
        if not keys:
            raise ValueError("The JWKS has no usable key.")
        return keys

    def _refuse_private_host(self, url: str) -> None:
        """Raise `ValueError` if a URL of a discovery document leads to a private address.

        The document could otherwise make this process send requests inside its own network. The
        issuer's own host is exempt, because the operator chose it and it may be private.
        """
        host = urlsplit(url).hostname
        if host == urlsplit(self.issuer).hostname:
            return
        for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            if not ipaddress.ip_address(address[0]).is_global:
                raise ValueError("The discovery document names a private host.")

    def _get(self, url: str) -> dict[str, Any]:
        parts = urlsplit(url)
        loopback = self._allow_http and parts.hostname in LOOPBACK_HOSTS
        if not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
            raise ValueError("The URL is not https.")
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        with self._opener.open(url, timeout=self._timeout) as response:
            while chunk := response.read1(65_536):
                body += chunk
                if len(body) > self._max_bytes:
                    raise ValueError("The response is too large.")
                if time.monotonic() > deadline:
                    raise TimeoutError("The response took too long.")
        return read_object(bytes(body))


class ClientKeys:
    """The keys of machine clients that sign their own tokens, each published under its own URL.

    Invented client ids cause at most `max_failures` failed fetches per cool-down. During it,
    clients whose keys are cached are served, and all others are refused.
    """

    def __init__(
        self,
        prefix: str,
        *,
        jwks_url: str | None = None,
        clients: frozenset[str] | None = None,
        max_failures: int = 5,
        cool_down_seconds: float = 30,
        **options: Any,
    ) -> None:
        self._prefix = prefix
        self._jwks_url = jwks_url or prefix + CLIENT_ID + DISCOVERY_PATH + "/jwks"
        self._clients = clients
        self._options = {"cool_down_seconds": cool_down_seconds, **options}
        self._max_failures = max_failures
        self._cool_down_seconds = cool_down_seconds
        self._failures: deque[float] = deque(maxlen=max_failures)
        self._cached: dict[str, RemoteKeys] = {}
        self._fetching = threading.Lock()

    def of(self, client_id: str) -> RemoteKeys:
        """Return the keys of a client, or raise `KeysUnavailableError`."""
        keys = self._cached.get(client_id)
        if keys is not None:
            return keys
        if self._clients is not None and client_id not in self._clients:
            raise KeysUnavailableError("The client is not trusted.")
        if self._has_failed_too_often() or not self._fetching.acquire(timeout=1):
            raise KeysUnavailableError("Too many fetches of clients' keys have failed.")
        try:
            return self._cached.get(client_id) or self._fetch(client_id)
        finally:
            self._fetching.release()

    def key(self, _kid: str) -> Key:
        """Raise `UnknownKeyError`: a key belongs to one client, so ask `of(client_id)` for it."""
        raise UnknownKeyError("Each client has its own keys.")

    def are_available(self) -> bool:
        """Return True: a client's keys are fetched with its first token."""
        return True

    def _fetch(self, client_id: str) -> RemoteKeys:
        url = self._jwks_url.replace(CLIENT_ID, client_id)
        keys = RemoteKeys(self._prefix + client_id, jwks_url=url, **self._options)
        if self._has_failed_too_often() or not keys.are_available():
            self._failures.append(time.monotonic())
            raise KeysUnavailableError("The client has published no keys.")
        self._cached[client_id] = keys
        return keys

    def _has_failed_too_often(self) -> bool:
        return (
            len(self._failures) == self._max_failures
            and time.monotonic() < self._failures[0] + self._cool_down_seconds
        )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as a failure: issuers do not need them, and they could lead anywhere."""

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
