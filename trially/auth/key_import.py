"""Import the public keys of a JWKS, and refuse keys that are unsafe or not for signatures."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import Key, RSAKey, import_key

log = logging.getLogger(__name__)

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
# Moduli from the chips of CVE-2017-15361 (ROCA) are powers of 65537 modulo each of these primes. Of
# all other moduli, one in 2**27 is so by chance.
_ROCA_RESIDUES = {
    prime: {pow(65_537, power, prime) for power in range(prime)}
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
}


def canonical_algorithm(name: str) -> str:
    """Return the one name of an algorithm. RFC 9864 renamed EdDSA, and issuers use both names."""
    return "Ed25519" if name == "EdDSA" else name


def import_signing_key(jwk: Mapping[str, Any]) -> Key:
    """Import a public key. The result always has a `kid` and a canonical `alg`.

    Raises `ValueError`, or any error of joserfc and cryptography, if the key is unusable.
    """
    kid, kind = jwk.get("kid"), jwk.get("kty")
    if not isinstance(kid, str) or not kid:
        raise ValueError("The key has no kid.")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise ValueError("The key is not for signatures.")
    if "d" in jwk:
        raise ValueError("The key is published with its private part.")
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


class TooManyKeysError(ValueError):
    """A key set has more keys than are read."""


def import_key_set(document: Mapping[str, Any], most: int | None = None) -> dict[str, Key]:
    """Import the usable keys of a JWKS, by `kid`. An unusable key does not affect the others.

    Two usable keys with the same `kid` are both left out, because the `kid` is ambiguous. Raises
    `TooManyKeysError` if there are more than `most` keys, whether usable or not.
    """
    if most is not None and len(document["keys"]) > most:
        raise TooManyKeysError(f"The JWKS has more than {most} keys.")
    usable: list[Key] = []
    for jwk in document["keys"]:
        try:
            usable.append(import_signing_key(jwk))
        except Exception as error:  # noqa: BLE001  the libraries raise errors of many types for a malformed key
            log.info("Skipped an unusable key of a JWKS: %s", type(error).__name__)
    uses = Counter(key.kid for key in usable)
    return {key.kid: key for key in usable if key.kid is not None and uses[key.kid] == 1}
