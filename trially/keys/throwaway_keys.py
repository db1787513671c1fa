"""A key that exists in the memory of one process only, and is never stored or derived again."""

import hmac
import os
from dataclasses import dataclass, field
from typing import Self

KEY_BYTES = 32


@dataclass(frozen=True)
class ThrowawayKey:
    """A random key for one piece of work. What it made cannot be computed again afterwards."""

    _secret: bytes = field(repr=False)

    @classmethod
    def create(cls) -> Self:
        """Return a new key."""
        return cls(os.urandom(KEY_BYTES))

    def digest(self, *parts: str) -> bytes:
        """Return 64 bytes that follow from the parts, each of which counts by itself."""
        encoded = [part.encode() for part in parts]
        return self.digest_bytes(b"".join(len(each).to_bytes(4) + each for each in encoded))

    def digest_bytes(self, message: bytes) -> bytes:
        """Return 64 bytes that follow from a message."""
        return hmac.digest(self._secret, message, "sha512")

    def for_use(self, name: str) -> "ThrowawayKey":
        """Return the key of one use. What it makes is unrelated to what other keys make."""
        return ThrowawayKey(self.digest("use", name))
