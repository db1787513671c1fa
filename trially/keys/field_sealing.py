"""Encryption of one column's values under a tenant's data key: AES-256-SIV (RFC 5297).

A sealed value is a byte for the format, four bytes for the version of the data key, and the
ciphertext. Tenant, table, column and row are authenticated and not stored. So a sealed value cannot
be moved to another row, column, table or tenant.

AES-SIV needs no nonce. Two equal values in one row of one column have equal ciphertexts, so an
observer of two dumps sees that a value returned. Equal values of two rows have different ones.
"""

import struct
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.padding import PKCS7

from trially.keys.data_keys import DataKey, DataPurpose
from trially.keys.sealing import UnsealError

FORMAT = 1
KEY_BYTES = 64
"""AES-256-SIV has two keys of 32 bytes."""

BLOCK_BITS = 128
"""Values are padded to whole blocks of 16 bytes, so that a ciphertext hides the exact length."""

_HEADER = struct.Struct(">BI")


class FieldCipher:
    """Seals and unseals one column of one tenant, under one version of its data key.

    Creating one derives a key, which takes about 12 µs. Keep it for as long as its data key.
    """

    def __init__(self, key: DataKey, table: str, column: str) -> None:
        context = f"{table}\0{column}".encode()
        self._cipher = AESSIV(key.derive(DataPurpose.FIELDS, KEY_BYTES, context))
        self._header = _HEADER.pack(FORMAT, key.version)
        self._address = [self._header, key.tenant_id.bytes, table.encode(), column.encode()]

    def seal(self, row_id: UUID, value: bytes) -> bytes:
        """Return the sealed value of a row."""
        padder = PKCS7(BLOCK_BITS).padder()
        padded = padder.update(value) + padder.finalize()
        return self._header + self._cipher.encrypt(padded, [*self._address, row_id.bytes])

    def unseal(self, row_id: UUID, sealed: bytes) -> bytes:
        """Return the value of a row.

        Raises `UnsealError` for a changed value, and for one of another version of the data key,
        tenant, table, column or row.
        """
        if not sealed.startswith(self._header):
            raise UnsealError("The value was sealed with another version of the data key.")
        encrypted = sealed[_HEADER.size :]
        try:
            padded = self._cipher.decrypt(encrypted, [*self._address, row_id.bytes])
        except (InvalidTag, ValueError):
            raise UnsealError("The value was changed, or belongs to another row.") from None
        unpadder = PKCS7(BLOCK_BITS).unpadder()
        return unpadder.update(padded) + unpadder.finalize()


def key_version_of(sealed: bytes) -> int:
    """Return the version of the data key that sealed a value.

    The version is not verified yet: `FieldCipher.unseal` does that. Raises `UnsealError` for a
    value that is too short or has an unknown format.
    """
    if len(sealed) <= _HEADER.size or sealed[0] != FORMAT:
        raise UnsealError("The value has no known format of sealed values.")
    version: int = _HEADER.unpack_from(sealed)[1]
    return version
