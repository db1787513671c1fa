"""The hash of a table's rows, which does not depend on their order.

It is the sum of the BLAKE2b-128 hashes (RFC 7693) of the rows, modulo 2^128. A row is a line as
COPY writes it, without the tenant's id, so the hash is the same in every tier and tenant.
"""

from collections.abc import Iterable
from hashlib import blake2b

_MODULUS = 1 << 128


class RowHash:
    """The number and the hash of rows."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, lines: Iterable[bytes]) -> None:
        """Add rows, each with the line feed at its end."""
        total = count = 0
        for line in lines:
            total += int.from_bytes(blake2b(line, digest_size=16).digest())
            count += 1
        self.rows += count
        self._sum = (self._sum + total) % _MODULUS

    @property
    def hexadecimal(self) -> str:
        """The hash in 32 hexadecimal digits."""
        return f"{self._sum:032x}"
