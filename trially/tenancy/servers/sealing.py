"""Encrypt the servers' passwords in the catalog with a key derived from the installation's secret.

The cipher is AES-256-GCM (NIST SP 800-38D), with a key from HKDF-SHA-256 (RFC 5869). The server's
name is authenticated with the password, so a ciphertext is valid for one server only.
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
    """A password was encrypted with another secret, or for another server."""


def seal_password(secret_key: str, server: str, password: str) -> bytes:
    """Encrypt the password of a server's administrator."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(secret_key).encrypt(nonce, password.encode(), server.encode())


def unseal_password(secret_key: str, server: str, sealed: bytes) -> str:
    """Decrypt the password of a server's administrator, or raise `UnsealableError`."""
    nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return _cipher(secret_key).decrypt(nonce, encrypted, server.encode()).decode()
    except (InvalidTag, ValueError):
        raise UnsealableError(
            f"The password of the server {server!r} cannot be decrypted: it was stored with another"
            f" TRIALLY_SECRET_KEY. Store it again with `flask servers change {server} --url …`."
        ) from None


def _cipher(secret_key: str) -> AESGCM:
    key = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret_key.encode())
    return AESGCM(key)
