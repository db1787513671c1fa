"""API keys: secrets of 256 random bits that say which tenant they are for.

Only a digest of a key is stored. 256 random bits cannot be guessed, so the digest needs neither
salt nor many rounds. It covers the ids of the tenant and of the key: a digest that is copied to
another row or tenant fits no key there.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID
from zlib import crc32

PREFIX = "trk_"
"""Begins each key, so that secret scanners find keys and requests can tell them from tokens."""

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_BYTES = 32
_BYTES = 16 + 16 + SECRET_BYTES + 4
"""The tenant's id, the key's id, the secret, and a checksum."""

LENGTH = 92
"""The digits behind the prefix: as many as the bytes need with `DIGITS`."""

_CONTEXT = b"trially API key\0"


class MalformedKeyError(ValueError):
    """A text is no API key: it was cut off or mistyped."""


@dataclass(frozen=True)
class PresentedKey:
    """An API key as a client sends it. It is valid if a tenant has stored its digest."""

    tenant_id: UUID
    key_id: UUID
    secret: bytes = field(repr=False)

    @cached_property
    def digest(self) -> bytes:
        """What is stored of the key: 32 bytes."""
        content = _CONTEXT + self.tenant_id.bytes + self.key_id.bytes + self.secret
        return hashlib.sha256(content).digest()

    @property
    def text(self) -> str:
        """The key as clients send it."""
        content = self.tenant_id.bytes + self.key_id.bytes + self.secret
        number = int.from_bytes(content + _checksum(content))
        digits = []
        for _ in range(LENGTH):
            number, digit = divmod(number, len(DIGITS))
            digits.append(DIGITS[digit])
        return PREFIX + "".join(reversed(digits))

    def has_digest(self, stored: bytes) -> bool:
        """Return whether this is the key of a stored digest, in constant time."""
        return hmac.compare_digest(self.digest, stored)


def new_api_key(tenant_id: UUID, key_id: UUID) -> PresentedKey:
    """Return a new key of a tenant."""
    return PresentedKey(tenant_id, key_id, secrets.token_bytes(SECRET_BYTES))


def read_api_key(text: str) -> PresentedKey:
    """Return the key that a text is, or raise `MalformedKeyError`.

    The checksum finds mistakes without a database. It proves nothing.
    """
    digits = text.removeprefix(PREFIX)
    if not text.startswith(PREFIX) or len(digits) != LENGTH:
        raise MalformedKeyError("An API key has another length.")
    number = 0
    for digit in digits:
        value = DIGITS.find(digit)
        if value < 0:
            raise MalformedKeyError("An API key has letters and digits only.")
        number = number * len(DIGITS) + value
    if number >= 1 << 8 * _BYTES:
        raise MalformedKeyError("The checksum of the API key is wrong.")
    content = number.to_bytes(_BYTES)
    if _checksum(content[:-4]) != content[-4:]:
        raise MalformedKeyError("The checksum of the API key is wrong.")
    return PresentedKey(UUID(bytes=content[:16]), UUID(bytes=content[16:32]), content[32:-4])


def _checksum(content: bytes) -> bytes:
    return crc32(content).to_bytes(4)
