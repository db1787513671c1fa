"""Encryption of one column's values under a tenant's data key: AES-256-SIV (RFC 5297).

A sealed value is a byte for the format, four bytes for the version of the data key, and the
ciphertext. Tenant and context are authenticated and not stored. So a sealed value cannot be moved
to another column or tenant. The context is `table.column`. Columns that SQL compares with one
another share a context.

AES-SIV needs no nonce, and equal values of one context have equal ciphertexts. So PostgreSQL can
compare them and hold unique keys, and an observer sees which rows have the same value.
"""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from trially.keys.data_keys import DataKey, DataPurpose
from trially.keys.sealing import UnsealError

FORMAT = 1
KEY_BYTES = 64
"""AES-256-SIV has two keys of 32 bytes."""

BLOCK_BYTES = 16
"""Values are padded to whole blocks (PKCS #7), so that a ciphertext hides the exact length."""

_HEADER = struct.Struct(">BI")


class FieldCipher:
    """Seals and unseals the columns of one context, under one version of a tenant's data key.

    Creating one derives a key, which takes about 12 µs. Keep it for as long as its data key.
    """

    def __init__(self, key: DataKey, context: str) -> None:
        encoded = context.encode()
        self._cipher = AESSIV(key.derive(DataPurpose.FIELDS, KEY_BYTES, encoded))
        self._header = _HEADER.pack(FORMAT, key.version)
        # Header and id have fixed lengths, so the one text says all three.
        self._associated = [self._header + key.tenant_id.bytes + encoded]

    def seal(self, value: bytes) -> bytes:
        """Return the sealed value."""
        added = BLOCK_BYTES - len(value) % BLOCK_BYTES
        padded = value + bytes([added]) * added
        return self._header + self._cipher.encrypt(padded, self._associated)

    def unseal(self, sealed: bytes) -> bytes:
        """Return the value.

        Raises `UnsealError` for a changed value, and for one of another version of the data key,
        tenant or context.
        """
        if not sealed.startswith(self._header):
            raise UnsealError("The value was sealed with another version of the data key.")
        encrypted = sealed[_HEADER.size :]
        try:
            padded = self._cipher.decrypt(encrypted, self._associated)
        except (InvalidTag, ValueError):
            raise UnsealError("The value was changed, or belongs to another column.") from None
        # The padding is authentic, as all of the value.
        return padded[: -padded[-1]]


def key_version_of(sealed: bytes) -> int:
    """Return the version of the data key that sealed a value.

    The version is not verified yet: `FieldCipher.unseal` does that. Raises `UnsealError` for a
    value that is too short or has an unknown format.
    """
    if len(sealed) <= _HEADER.size or sealed[0] != FORMAT:
        raise UnsealError("The value has no known format of sealed values.")
    version: int = _HEADER.unpack_from(sealed)[1]
    return version
