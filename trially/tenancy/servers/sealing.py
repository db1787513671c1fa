"""Passwords that the catalog keeps, encrypted with a key that the installation's secret gives.

AES-256-GCM (NIST SP 800-38D) under a key of HKDF-SHA-256 (RFC 5869). The name of the server is
authenticated with the password, so that one cannot be put in another's place.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trially.errors import OperatorError

NONCE_BYTES = 12
PURPOSE = b"trially: passwords of servers' administrators"


class UnsealableError(OperatorError):
    """A password was sealed with another secret, or for another server."""


def seal_password(secret_key: str, server: str, password: str) -> bytes:
    """Encrypt the password of a server's administrator."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(secret_key).encrypt(nonce, password.encode(), server.encode())


def unseal_password(secret_key: str, server: str, sealed: bytes) -> str:
    """Decrypt it again, or raise `UnsealableError`."""
    nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return _cipher(secret_key).decrypt(nonce, encrypted, server.encode()).decode()
    except (InvalidTag, ValueError):
        raise UnsealableError(
            f"The password of the server {server!r} was sealed with another TRIALLY_SECRET_KEY:"
            f" say it again with `flask servers change {server} --url …`."
        ) from None


def _cipher(secret_key: str) -> AESGCM:
    key = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret_key.encode())
    return AESGCM(key)
