"""Access tokens of SMART Backend Services: a key signs a statement of who this client is."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from trially.recruiting.imports.bulk.connections import CONNECTION_ERRORS, Connector
from trially.recruiting.imports.bulk.errors import BulkError, StatusError
from trially.recruiting.imports.bulk.retrying import describe_failure, read_json

ALGORITHMS = ("RS384", "ES384")
SECONDS_OF_ASSERTION = 240
SECONDS_BEFORE_EXPIRY = 30
LARGEST_KEY_BYTES = 64 * 2**10
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_V1_SCOPE, _V2_SCOPE = "system/*.read", "system/*.rs"


class SigningKey:
    """A private key from a file, and the name by which the server knows it."""

    def __init__(self, key: RSAKey | ECKey, key_id: str | None, algorithm: str) -> None:
        self.key = key
        self.key_id = key_id
        self.algorithm = algorithm


def read_signing_key(path: Path, key_id: str | None) -> SigningKey:
    """Return the key in a file: a JWK, a JWK Set with one private key, or PEM.

    Raises `BulkError` if the file can be read by others, or has no usable key.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise BulkError(f"Other users can read the key in {path}. Run: chmod 600 {path}")
        content = path.read_bytes()[: LARGEST_KEY_BYTES + 1]
    except OSError as error:
        raise BulkError(f"The key in {path} cannot be read: {error.strerror}.") from error
    for document in _documents(content, key_id):
        key = _import(document)
        if key is not None:
            named = key_id or (document.get("kid") if isinstance(document, dict) else None)
            return SigningKey(key, named, "RS384" if isinstance(key, RSAKey) else "ES384")
    raise BulkError(
        f"{path} has no private key that can sign with RS384 or ES384: an RSA key of at least 2048"
        " bits, or a key of the curve P-384, as a JWK or in PEM."
    )


class TokenSource:
    """Gets access tokens for one client, and keeps one until it expires."""

    def __init__(
        self,
        connector: Connector,
        token_url: str,
        client_id: str,
        key: SigningKey,
        scope: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connector = connector
        self._token_url = token_url
        self._client_id = client_id
        self._key = key
        self._scope = scope
        self._clock = clock
        self._token: str | None = None
        self._expires_at = 0.0

    def token(self) -> str:
        """Return an access token that is valid for a while."""
        if self._token is None or self._clock() >= self._expires_at - SECONDS_BEFORE_EXPIRY:
            self._token = self._fetch()
        return self._token

    def reject(self) -> None:
        """Forget the token, because the server rejected it."""
        self._token = None

    def _fetch(self) -> str:
        body = urlencode(
            {
                "grant_type": "client_credentials",
                "scope": self._scope,
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": self._sign(),
            }
        )
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        try:
            answer = self._connector.send("POST", self._token_url, headers, body.encode())
        except CONNECTION_ERRORS as error:
            raise BulkError(f"The token endpoint did not answer: {error}.") from error
        if answer.status != 200:
            raise StatusError(
                "The request for an access token", answer.status, describe_failure(answer)
            )
        document = read_json(answer)
        token = document.get("access_token")
        if not isinstance(token, str) or not token or not token.isascii() or " " in token:
            raise BulkError("The token endpoint's answer has no access token.")
        lifetime = document.get("expires_in")
        self._expires_at = self._clock() + (lifetime if isinstance(lifetime, int) else 300)
        return token

    def _sign(self) -> str:
        header = {"typ": "JWT"}
        if self._key.key_id:
            header["kid"] = self._key.key_id
        assertion: str = private_key_jwt_sign(
            self._key.key,
            self._client_id,
            self._token_url,
            alg=self._key.algorithm,
            header=header,
            expires_in=SECONDS_OF_ASSERTION,
        )
        return assertion


def scope_of(configuration: dict[str, Any]) -> str:
    """Return the scope to read everything, in the version of SMART that the server has."""
    supported = configuration.get("scopes_supported")
    capabilities = configuration.get("capabilities")
    names = [*(supported or ()), *(capabilities or ())]
    return _V2_SCOPE if _V2_SCOPE in names or "permission-v2" in names else _V1_SCOPE


def _documents(content: bytes, key_id: str | None) -> list[Any]:
    if content.lstrip().startswith(b"-----BEGIN"):
        return [content]
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return []
    keys = document.get("keys", [document]) if isinstance(document, dict) else []
    found = [key for key in keys if isinstance(key, dict) and "d" in key]
    return [key for key in found if key_id is None or key.get("kid") == key_id] or (
        found if len(found) == 1 else []
    )


def _import(document: Any) -> RSAKey | ECKey | None:
    try:
        if isinstance(document, bytes):
            try:
                key: Any = RSAKey.import_key(document)
            except (JoseError, ValueError, TypeError):
                key = ECKey.import_key(document)
        else:
            key = import_key(document)
        if not key.is_private:
            return None
        if isinstance(key, RSAKey):
            return key if key.raw_value.key_size >= 2048 else None
        is_p384 = isinstance(key, ECKey) and key.curve_name == "P-384"
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if is_p384 else None
