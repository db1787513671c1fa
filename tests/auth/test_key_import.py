"""Keys are imported one by one, and an unusable key does not affect the others."""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from trially.auth.key_import import import_key_set, import_signing_key
from trially.auth.signing_keys import LocalKeys, UnknownKeyError

RSA = RSAKey.generate_key(2048, {"kid": "rs-1", "alg": "RS256", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "es-1"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed-1", "alg": "EdDSA"})


def public(key: Any, **changes: Any) -> dict[str, Any]:
    jwk = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in jwk.items() if value is not ...}


def weak_rsa() -> dict[str, Any]:
    """Return a key whose modulus has 1024 bits and leading zeros."""
    modulus = "A" * 200 + str(RSA["n"])[:171]
    return public(RSA, kid="weak", n=modulus)


BAD_KEYS: dict[str, Callable[[], Any]] = {
    "symmetric": lambda: OctKey.import_key(b"x" * 32, {"kid": "bad"}).as_dict(private=True),
    "weak": weak_rsa,
    "short": lambda: public(RSA, kid="bad", n="AQAB"),
    "huge": lambda: public(RSA, kid="bad", n="_" * 3000),
    "exponent-1": lambda: public(RSA, kid="bad", e="AQ"),
    "exponent-even": lambda: public(RSA, kid="bad", e="Ag"),
    "exponent-huge": lambda: public(RSA, kid="bad", e=RSA["n"]),
    "not-base64": lambda: public(RSA, kid="bad", n="!" * 400),
    "no-modulus": lambda: public(RSA, kid="bad", n=...),
    "modulus-number": lambda: public(RSA, kid="bad", n=7),
    "point-off-curve": lambda: public(EC, kid="bad", y=EC["x"]),
    "no-point": lambda: public(EC, kid="bad", x="", y=""),
    "secp256k1": lambda: public(EC, kid="bad", crv="secp256k1"),
    "x25519": lambda: public(OKPKey.generate_key("X25519"), kid="bad"),
    "ed448": lambda: public(OKPKey.generate_key("Ed448"), kid="bad"),
    "no-kid": lambda: public(EC, kid=...),
    "empty-kid": lambda: public(EC, kid=""),
    "kid-number": lambda: public(EC, kid=1),
    "kid-list": lambda: public(EC, kid=["es-1"]),
    "for-encryption": lambda: public(EC, kid="bad", use="enc"),
    "use-list": lambda: public(EC, kid="bad", use=["sig"]),
    "cannot-verify": lambda: public(EC, kid="bad", key_ops=["encrypt"]),
    "private": lambda: {**EC.as_dict(private=True), "kid": "bad"},
    "rsa-for-hs256": lambda: public(RSA, kid="bad", alg="HS256"),
    "rsa-for-none": lambda: public(RSA, kid="bad", alg="none"),
    "ec-for-rs256": lambda: public(EC, kid="bad", alg="RS256"),
    "p256-for-es384": lambda: public(EC, kid="bad", alg="ES384"),
    "alg-list": lambda: public(EC, kid="bad", alg=["ES256"]),
    "alg-empty": lambda: public(EC, kid="bad", alg=""),
    "kty-missing": lambda: public(EC, kid="bad", kty=...),
    "kty-list": lambda: public(EC, kid="bad", kty=["EC"]),
    "text": lambda: "bad",
    "null": lambda: None,
    "list": list,
}


@pytest.mark.parametrize("make", BAD_KEYS.values(), ids=BAD_KEYS)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_an_unusable_key_is_skipped(make: Callable[[], Any]) -> None:
    keys = import_key_set({"keys": [public(RSA), make(), public(EC)]})

    assert set(keys) == {"rs-1", "es-1"}


def test_a_kid_used_twice_names_neither_key() -> None:
    keys = import_key_set({"keys": [public(RSA), public(EC, kid="rs-1"), public(ED)]})

    assert set(keys) == {"ed-1"}


def test_local_keys_hold_only_the_public_half() -> None:
    keys = LocalKeys(RSA)

    assert not keys.key("rs-1").is_private
    with pytest.raises(UnknownKeyError):
        keys.key("rs-2")


def test_import_signing_key_names_the_algorithm() -> None:
    without = {name: value for name, value in public(EC).items() if name != "alg"}

    assert import_signing_key(without).alg == "ES256"
