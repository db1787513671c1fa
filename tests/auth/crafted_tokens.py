"""Tokens crafted by hand, because libraries refuse to create them."""

import base64
import json
import time
from typing import Any

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.key_import import import_key_set
from trially.auth.signing_keys import KeysUnavailableError, UnknownKeyError

ISSUER = "https://login.example.test"
AUDIENCE = "https://api.example.test"
TENANT_CLAIM = "https://trially.ai/tenant"

RSA = RSAKey.generate_key(2048, {"kid": "rs-1", "alg": "RS256", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "es-1", "alg": "ES256", "use": "sig"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed-1", "use": "sig"})
PSS = RSAKey.import_key(RSA.raw_value, {"kid": "ps-1", "alg": "PS256"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rs-1", "alg": "RS256"})
JWKS = {"keys": [key.as_dict(private=False) for key in (RSA, EC, ED, PSS)]}
PEM = RSA.as_pem(private=False)


class Keys:
    """The keys of a JWKS, without an issuer behind them."""

    def __init__(self, jwks: dict[str, Any] = JWKS) -> None:
        self.keys = import_key_set(jwks)

    def key(self, kid: str) -> Key:
        if not self.keys:
            raise KeysUnavailableError
        if kid not in self.keys:
            raise UnknownKeyError
        return self.keys[kid]


PROFILES = {ISSUER: IssuerProfile(issuer=ISSUER, audiences=(AUDIENCE,), keys=Keys())}


def unb64(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "==")


def b64(raw: bytes | str | dict[str, Any]) -> str:
    if isinstance(raw, dict):
        raw = json.dumps(raw)
    if isinstance(raw, str):
        raw = raw.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def make_claims(**changes: Any) -> dict[str, Any]:
    """Return valid claims with changes; a change to `...` leaves the claim out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "auth0|alice",
        "aud": AUDIENCE,
        "iat": now - 10,
        "exp": now + 300,
        TENANT_CLAIM: "acme",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def sign(
    payload: bytes | str | dict[str, Any],
    key: Any = RSA,
    algorithm: str = "RS256",
    raw_header: bytes | str | None = None,
    **header: Any,
) -> str:
    """Sign any header and payload with any key."""
    names = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid, **header}
    names = {name: value for name, value in names.items() if value is not ...}
    signing_input = f"{b64(raw_header or names)}.{b64(payload)}"
    model = JWSRegistry.algorithms["Ed25519" if algorithm == "EdDSA" else algorithm]
    return f"{signing_input}.{b64(model.sign(signing_input.encode(), key))}"


def unsigned(header: dict[str, Any], signature: bytes = b"\0") -> str:
    return (
        f"{b64({'typ': 'at+jwt', 'kid': 'rs-1', **header})}.{b64(make_claims())}.{b64(signature)}"
    )


def with_member(text: str) -> str:
    """Return valid claims as JSON with text appended."""
    return json.dumps(make_claims())[:-1] + "," + text + "}"
