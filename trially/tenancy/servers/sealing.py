"""Passwords of servers' administrators, encrypted for storage in the catalog.

The server's name is authenticated with the password, so the catalog's rows cannot be swapped.
"""

from contextlib import suppress

from trially.errors import OperatorError
from trially.keys import Purpose, SecretKeys, UnsealError, seal, unseal, unseal_with_any


class UnsealableError(OperatorError):
    """A password was encrypted with another secret, or for another server."""


def seal_password(keys: SecretKeys, server: str, password: str) -> bytes:
    """Encrypt the password of a server's administrator."""
    return seal(keys.in_use, Purpose.SERVER_PASSWORDS, password.encode(), server.encode())


def unseal_password(keys: SecretKeys, server: str, sealed: bytes) -> str:
    """Return the password of a server's administrator, or raise `UnsealableError`."""
    try:
        plaintext = unseal_with_any(
            keys.accepted, Purpose.SERVER_PASSWORDS, sealed, server.encode()
        )
    except UnsealError:
        raise UnsealableError(
            f"The stored password of the server {server!r} cannot be decrypted with this"
            f" TRIALLY_SECRET_KEY. Set the key with which the password was stored, or store the"
            f" password again: `flask servers change {server} --url …`."
        ) from None
    return plaintext.decode()


def find_sealing_key(keys: SecretKeys, server: str, sealed: bytes) -> str | None:
    """Return the fingerprint of the key that sealed a server's password, or None."""
    for fingerprint, secret_key in keys.by_fingerprint.items():
        with suppress(UnsealError):
            unseal(secret_key, Purpose.SERVER_PASSWORDS, sealed, server.encode())
            return fingerprint
    return None
