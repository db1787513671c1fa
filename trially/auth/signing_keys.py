"""The public keys of the issuers we trust: where they come from and how long they are believed."""

import ipaddress
import logging
import socket
import threading
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import IO, Any, cast
from urllib.parse import urlsplit

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from trially.auth.strict_json import read_object
from trially.config import LOOPBACK_HOSTS

log = logging.getLogger(__name__)

DISCOVERY_PATH = "/.well-known/openid-configuration"
CLIENT_ID = "{client_id}"
"""Stands for the client's id in the address of its keys."""

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT_BITS = 32

_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVE_ALGORITHMS = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("Ed25519",),
}
# Primes from the chips of CVE-2017-15361 are powers of 65537 modulo each of these; one modulus in
# 2**27 of the others is by chance.
_ROCA_RESIDUES = {
    prime: {pow(65_537, power, prime) for power in range(prime)}
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
}


class UnknownKeyError(LookupError):
    """The issuer has no such key."""


class KeysUnavailableError(LookupError):
    """The issuer's keys have never been fetched, so nothing can be said of any key."""


def canonical_algorithm(name: str) -> str:
    """Name an algorithm in one way: RFC 9864 renamed EdDSA, and issuers write either."""
    return "Ed25519" if name == "EdDSA" else name


def import_signing_key(jwk: Mapping[str, Any]) -> Key:
    """Import a public key that always carries its `kid` and canonical `alg`.

    Raises `ValueError`, or whatever joserfc and cryptography raise, if the key is not for us.
    """
    kid, kind = jwk.get("kid"), jwk.get("kty")
    if not isinstance(kid, str) or not kid:
        raise ValueError("The key has no kid.")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise ValueError("The key is not for signatures.")
    if "d" in jwk:
        raise ValueError("The key is published with its private half.")
    algorithms = (
        _RSA_ALGORITHMS
        if kind == "RSA"
        else _CURVE_ALGORITHMS.get((str(kind), str(jwk.get("crv"))), ("",))
    )
    algorithm = canonical_algorithm(jwk.get("alg", algorithms[0]))
    if not algorithm or algorithm not in algorithms:
        raise ValueError("The key's type, curve and algorithm do not agree.")
    if kind == "RSA" and len(jwk["n"]) * 6 < MIN_RSA_BITS:
        raise ValueError("The RSA key is too short.")
    public = {name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk}
    key = import_key({**public, "kid": kid, "alg": algorithm})
    if isinstance(key, RSAKey):
        numbers = key.public_key.public_numbers()
        if not MIN_RSA_BITS <= numbers.n.bit_length() <= MAX_RSA_BITS:
            raise ValueError("The RSA key's length is out of bounds.")
        if numbers.e.bit_length() > MAX_RSA_EXPONENT_BITS:
            raise ValueError("The RSA key's exponent is too large.")
        if all(numbers.n % prime in residues for prime, residues in _ROCA_RESIDUES.items()):
            raise ValueError("The RSA key can be factored (ROCA).")
    return key


def import_key_set(document: Mapping[str, Any]) -> dict[str, Key]:
    """Import the usable keys of a JWKS, each on its own, so that a bad one harms no other.

    A kid that two usable keys share names neither of them.
    """
    usable: list[Key] = []
    for jwk in document["keys"]:
        try:
            usable.append(import_signing_key(jwk))
        except Exception as error:  # noqa: BLE001  libraries raise anything for a malformed key
            log.info("Left out a key of a JWKS: %s", type(error).__name__)
    uses = Counter(key.kid for key in usable)
    return {key.kid: key for key in usable if key.kid is not None and uses[key.kid] == 1}


class LocalKeys:
    """The key of an issuer inside this process."""

    def __init__(self, private_key: RSAKey | ECKey | OKPKey) -> None:
        key = import_signing_key(cast("Mapping[str, Any]", private_key.as_dict(private=False)))
        self._keys = {key.kid: key}

    def key(self, kid: str) -> Key:
        """Return the key of this name, or raise `UnknownKeyError`."""
        try:
            return self._keys[kid]
        except KeyError:
            raise UnknownKeyError("The issuer has no such key.") from None

    def are_known(self) -> bool:
        """Tell that the key is known."""
        return True


class RemoteKeys:
    """The keys an issuer publishes, fetched when needed and kept while it cannot be reached.

    Whatever callers send, the issuer is asked at most once per cool-down.
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
        # A developer's proxy must not see what goes to this machine itself.
        proxies = [urllib.request.ProxyHandler({})] if allow_http else []
        self._opener = urllib.request.build_opener(_NoRedirects, *proxies)

    def key(self, kid: str) -> Key:
        """Return the key of this name, fetching the issuer's keys if that may help."""
        key = self._keys.get(kid)
        if key is None or time.monotonic() >= self._fetched_at + self._max_age_seconds:
            # Whoever holds an old key goes on with it; whoever has none waits for the fetch.
            self._refresh(wait_seconds=2 * self._timeout if key is None else 0)
            key = self._keys.get(kid)
        if key is None:
            if not self._keys:
                raise KeysUnavailableError("The issuer's keys have not been fetched.")
            raise UnknownKeyError("The issuer has no such key.")
        return key

    def are_known(self) -> bool:
        """Tell whether any key is known, fetching the issuer's keys if none is."""
        if not self._keys:
            self._refresh(wait_seconds=self._timeout)
        return bool(self._keys)

    def _refresh(self, *, wait_seconds: float) -> None:
        # During a cool-down there may still be a fetch under way that is worth waiting for.
        if self._is_cooling_down() and not (wait_seconds and self._fetching.locked()):
            return
        if not self._fetching.acquire(timeout=wait_seconds):
            return
        try:
            if self._is_cooling_down():
                return
            self._tried_at = time.monotonic()
            keys = self._fetch()
            # Readers hold no lock: they see the old dict or the new one, never a mixture.
            self._keys, self._fetched_at = keys, time.monotonic()
        except Exception as error:  # noqa: BLE001  an issuer's failure is never the caller's
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
                raise ValueError("The discovery document is another issuer's.")
            jwks_url = document["jwks_uri"]
            self._refuse_private_host(jwks_url)
        keys = import_key_set(self._get(jwks_url))
        if not keys:
            raise ValueError("The JWKS holds no key we can use.")
        return keys

    def _refuse_private_host(self, url: str) -> None:
        """Keep a discovery document from pointing us at a host inside our own network.

        The issuer's own host is the operator's choice, and may well be private.
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
            raise ValueError("The address is not https.")
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        with self._opener.open(url, timeout=self._timeout) as response:
            while chunk := response.read1(65_536):
                body += chunk
                if len(body) > self._max_bytes:
                    raise ValueError("The answer is too large.")
                if time.monotonic() > deadline:
                    raise TimeoutError("The answer takes too long.")
        return read_object(bytes(body))


class ClientKeys:
    """The keys of machine clients that sign for themselves, each published under its own path.

    Whoever invents client ids makes us ask in vain for a few of them per cool-down, during which
    clients that have been heard of go on, and others wait.
    """

    def __init__(
        self,
        prefix: str,
        *,
        jwks_url: str | None = None,
        clients: frozenset[str] | None = None,
        most_failures: int = 5,
        cool_down_seconds: float = 30,
        **options: Any,
    ) -> None:
        self._prefix = prefix
        self._jwks_url = jwks_url or prefix + CLIENT_ID + DISCOVERY_PATH + "/jwks"
        self._clients = clients
        self._options = {"cool_down_seconds": cool_down_seconds, **options}
        self._most_failures = most_failures
        self._cool_down_seconds = cool_down_seconds
        self._failures: deque[float] = deque(maxlen=most_failures)
        self._known: dict[str, RemoteKeys] = {}
        self._asking = threading.Lock()

    def of(self, client_id: str) -> RemoteKeys:
        """Return the keys of a client, or raise `KeysUnavailableError`."""
        keys = self._known.get(client_id)
        if keys is not None:
            return keys
        if self._clients is not None and client_id not in self._clients:
            raise KeysUnavailableError("This client is not trusted.")
        if self._has_failed_enough() or not self._asking.acquire(timeout=1):
            raise KeysUnavailableError("Too many clients without keys have been asked for.")
        try:
            return self._known.get(client_id) or self._ask(client_id)
        finally:
            self._asking.release()

    def key(self, _kid: str) -> Key:
        """Raise `UnknownKeyError`: the clients have keys, and nobody for all of them."""
        raise UnknownKeyError("Each client has its own keys.")

    def are_known(self) -> bool:
        """Tell that nothing is missing: clients are asked for their keys when they call."""
        return True

    def _ask(self, client_id: str) -> RemoteKeys:
        url = self._jwks_url.replace(CLIENT_ID, client_id)
        keys = RemoteKeys(self._prefix + client_id, jwks_url=url, **self._options)
        if self._has_failed_enough() or not keys.are_known():
            self._failures.append(time.monotonic())
            raise KeysUnavailableError("The client has published no keys.")
        self._known[client_id] = keys
        return keys

    def _has_failed_enough(self) -> bool:
        return (
            len(self._failures) == self._most_failures
            and time.monotonic() < self._failures[0] + self._cool_down_seconds
        )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for a failure: no issuer needs one, and it could lead anywhere."""

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
