"""Authenticated encryption under the key of a purpose: AES-256-GCM (NIST SP 800-38D).

A sealed value is the nonce, then the ciphertext with its tag. `context` is authenticated and not
stored, so a value that was sealed in one context cannot be moved to another.
"""

import secrets
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trially.keys.derivation import Purpose, derive_key

NONCE_BYTES = 12


class UnsealError(ValueError):
    """The value was changed, or was sealed with another secret, purpose or context."""


def seal(secret_key: str, purpose: Purpose, plaintext: bytes, context: bytes) -> bytes:
    """Encrypt `plaintext` under a random nonce, and authenticate it together with `context`."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(secret_key, purpose).encrypt(nonce, plaintext, context)


def unseal(secret_key: str, purpose: Purpose, sealed: bytes, context: bytes) -> bytes:
    """Return the plaintext of a sealed value, or raise `UnsealError`."""
    nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return _cipher(secret_key, purpose).decrypt(nonce, encrypted, context)
    except (InvalidTag, ValueError):
        raise UnsealError("The sealed value cannot be decrypted.") from None


def unseal_with_any(
    secret_keys: Iterable[str], purpose: Purpose, sealed: bytes, context: bytes
) -> bytes:
    """Return the plaintext of a value that one of the keys sealed, or raise `UnsealError`."""
    for secret_key in secret_keys:
        with suppress(UnsealError):
            return unseal(secret_key, purpose, sealed, context)
    raise UnsealError("The sealed value cannot be decrypted.")


def seal_with(key: bytes, plaintext: bytes, context: bytes | None = None) -> bytes:
    """Encrypt `plaintext` under a random nonce and a key that does not derive from the secret."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def unseal_with(key: bytes, sealed: bytes, context: bytes | None = None) -> bytes:
    """Return the plaintext of what `seal_with` returned, or raise `UnsealError`."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise UnsealError("The value was sealed with another key, or was changed.") from None


@cache
def _cipher(secret_key: str, purpose: Purpose) -> AESGCM:
    return AESGCM(derive_key(secret_key, purpose))
