"""Encrypt the files and pages of studies' documents with the tenant's data key.

Each document has a key of its own, and each piece is bound to its tenant, document, kind and
number. So no piece can take the place of another one. Once the data key is destroyed, no copy of a
document can be read.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Self
from uuid import UUID

from trially.database.placement import current_placement
from trially.keys.authentication import authentication_code
from trially.keys.data_keys import DataKey, DataPurpose
from trially.keys.sealing import seal_with, unseal_with
from trially.tenancy.data_keys import data_key, data_key_of_version


class Piece(Enum):
    """The kind of a sealed piece."""

    PART_OF_FILE = b"part"
    PAGE = b"page"


@dataclass(frozen=True, slots=True)
class DocumentCipher:
    """Seals and unseals the pieces of one document."""

    tenant_id: UUID
    document_id: UUID
    key: bytes
    key_version: int

    @classmethod
    def new(cls, document_id: UUID) -> Self:
        """Return the cipher of a new document of the current tenant.

        Raises `UnknownKeyError`, `DestroyedKeyError` or a `KeyProviderError`.
        """
        return cls._of(data_key(current_placement().tenant_id), document_id)

    @classmethod
    def of_version(cls, document_id: UUID, key_version: int) -> Self:
        """Return the cipher of a document that a version of the data key encrypts.

        Raises as `new` does.
        """
        return cls._of(data_key_of_version(current_placement().tenant_id, key_version), document_id)

    @classmethod
    def _of(cls, key: DataKey, document_id: UUID) -> Self:
        secret = key.derive(DataPurpose.STUDY_DOCUMENTS, context=document_id.bytes)
        return cls(key.tenant_id, document_id, secret, key.version)

    def seal(self, piece: Piece, number: int, content: bytes) -> bytes:
        """Return the sealed content of a piece."""
        return seal_with(self.key, content, self._context(piece, number))

    def unseal(self, piece: Piece, number: int, sealed: bytes) -> bytes:
        """Return the content of a piece, or raise `UnsealError`."""
        return unseal_with(self.key, sealed, self._context(piece, number))

    def _context(self, piece: Piece, number: int) -> bytes:
        named = self.tenant_id.bytes + self.document_id.bytes + piece.value
        return named + number.to_bytes(8, "big")


def digest_of(content: bytes) -> bytes:
    """Return the digest by which the current tenant recognises a file.

    It is keyed: a thief of the rows cannot find out whether a known file is among them. Raises as
    `DocumentCipher.new` does.
    """
    key = data_key(current_placement().tenant_id).derive(DataPurpose.STUDY_DOCUMENTS)
    return bytes.fromhex(authentication_code(key, content))
