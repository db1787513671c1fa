"""Passwords of servers' administrators, encrypted for storage in the catalog.

The server's name is authenticated with the password, so the catalog's rows cannot be swapped.
"""

from trially.errors import OperatorError
from trially.keys import Purpose, UnsealError, seal, unseal


class UnsealableError(OperatorError):
    """A password was encrypted with another secret, or for another server."""


def seal_password(secret_key: str, server: str, password: str) -> bytes:
    """Encrypt the password of a server's administrator."""
    return seal(secret_key, Purpose.SERVER_PASSWORDS, password.encode(), server.encode())


def unseal_password(secret_key: str, server: str, sealed: bytes) -> str:
    """Return the password of a server's administrator, or raise `UnsealableError`."""
    try:
        return unseal(secret_key, Purpose.SERVER_PASSWORDS, sealed, server.encode()).decode()
    except UnsealError:
        raise UnsealableError(
            f"The stored password of the server {server!r} cannot be decrypted with this"
            f" TRIALLY_SECRET_KEY. Set the key with which the password was stored, or store the"
            f" password again: `flask servers change {server} --url …`."
        ) from None
