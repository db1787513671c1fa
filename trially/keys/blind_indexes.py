"""Search terms of encrypted columns: a truncated HMAC-SHA-256 of the normalised value.

The key derives from the tenant's data key, for each context, which is `table.column`. Without the
key, a term says which rows of one column can be equal, and nothing about other columns or tenants.
The fewer bits a term has, the more different values share it, and the less equality says.
"""

import hmac

from trially.keys.data_keys import DataKey, DataPurpose

MOST_BITS = 256


class BlindIndex:
    """Makes the terms of one column of one tenant, under one version of its data key.

    Terms of two versions differ. While values are sealed again after a rotation, a search looks up
    the terms of both versions.
    """

    def __init__(self, key: DataKey, context: str, bits: int) -> None:
        """Derive the key. Raises `ValueError` unless `bits` is 1 to 256."""
        if not 1 <= bits <= MOST_BITS:
            raise ValueError(f"A term has 1 to {MOST_BITS} bits, not {bits}.")
        self._key = key.derive(DataPurpose.BLIND_INDEXES, context=context.encode())
        self._bits = bits

    def term(self, normalised: str) -> bytes:
        """Return the term of a value: its bits in whole bytes, the unused last bits 0."""
        digest = hmac.digest(self._key, normalised.encode(), "sha256")
        length = (self._bits + 7) // 8
        unused = length * 8 - self._bits
        kept = int.from_bytes(digest[:length], "big") >> unused << unused
        return kept.to_bytes(length, "big")


def coincidences(different_values: int, bits: int) -> float:
    """Return how many other values share a term on average, if a column has so many values."""
    terms: int = 1 << bits
    return (different_values - 1) / terms
