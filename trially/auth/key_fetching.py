"""Fetch an issuer's keys, within limits of time and size."""

import time
import urllib.error
import urllib.request
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit

from joserfc.jwk import Key

from trially.auth.key_import import import_key_set
from trially.auth.strict_json import read_object
from trially.config import LOOPBACK_HOSTS
from trially.outgoing.addresses import refuse_private_host
from trially.outgoing.deadlines import LimitedConnection, LimitedTLSConnection, limited_to
from trially.outgoing.pinning import PinnedTLSConnection

DISCOVERY_PATH = "/.well-known/openid-configuration"
ABSENT_STATUSES = frozenset({404, 410})


class NotPublishedError(ValueError):
    """The issuer answered that it publishes no such document, or no usable key in it."""


class WrongDiscoveryError(ValueError):
    """A discovery document does not fit the issuer at whose address it is published."""


class InsecureUrlError(ValueError):
    """A URL is not https."""


class Fetcher:
    """Fetches documents, each within `seconds` from the first byte sent to the last one received.

    It follows no redirects: issuers do not need them, and they could lead anywhere. Threads may
    share it. `public_only` is for issuers that somebody else has chosen: over https it connects to
    public addresses only. A key set of more than `most_keys` keys is refused.
    """

    def __init__(
        self,
        *,
        allow_http: bool,
        seconds: float,
        max_bytes: int,
        public_only: bool = False,
        most_keys: int | None = None,
    ) -> None:
        self._allow_http = allow_http
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._public_only = public_only
        self._most_keys = most_keys
        # Requests to a loopback issuer must bypass a proxy that is configured in the environment.
        # A proxy would also decide itself which address a name leads to.
        proxies = [urllib.request.ProxyHandler({})] if allow_http or public_only else []
        https = _PublicHTTPS if public_only else _HTTPS
        self._opener = urllib.request.build_opener(_NoRedirects, _HTTP, https, *proxies)

    def fetch_keys(self, issuer: str, jwks_url: str | None) -> dict[str, Key]:
        """Return the usable keys of an issuer by `kid`; without a URL of them, it is discovered.

        Raises `NotPublishedError` if there are none, or any other exception if they cannot be
        fetched.
        """
        if jwks_url is None:
            jwks_url = self.discover_keys(issuer)
        keys = import_key_set(self.fetch(jwks_url), self._most_keys)
        if not keys:
            raise NotPublishedError("The JWKS has no usable key.")
        return keys

    def discover_keys(self, issuer: str) -> str:
        """Return the URL of the keys that an issuer's discovery document names.

        Raises as `fetch` does, or `WrongDiscoveryError` if the document is not one of this issuer.
        """
        document = self.fetch(issuer.rstrip("/") + DISCOVERY_PATH)
        if document.get("issuer") != issuer:
            raise WrongDiscoveryError("The discovery document names another issuer.")
        jwks_url = document.get("jwks_uri")
        if not isinstance(jwks_url, str):
            raise WrongDiscoveryError("The discovery document has no jwks_uri.")
        # The issuer's own host may be private if the operator chose it. Otherwise no host may be.
        if not self._public_only and urlsplit(jwks_url).hostname != urlsplit(issuer).hostname:
            refuse_private_host(jwks_url)
        return jwks_url

    def fetch(self, url: str) -> dict[str, Any]:
        """Return the JSON object at a URL.

        Raises `NotPublishedError`, or any other exception if the document cannot be fetched.
        """
        self._refuse_insecure(url)
        with limited_to(self._seconds):
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
            raise InsecureUrlError("The URL is not https.")


class _HTTP(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(LimitedConnection, req)


class _HTTPS(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(LimitedTLSConnection, req)


class _PublicHTTPS(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(PinnedTLSConnection, req)


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
