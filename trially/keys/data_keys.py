"""A tenant's data key, from which the keys of its archives, fields and indexes derive.

It is random. A master key of a provider wraps it (`trially.keys.providers`), and the catalog stores
it wrapped (`trially.tenancy.data_keys`).
"""

import secrets
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DATA_KEY_BYTES = 32


class DataPurpose(Enum):
    """The use of a key that derives from a data key. The value is part of HKDF's `info`."""

    ARCHIVES = b"trially data key: archives"
    """Encrypts the archives of a tenant."""

    FIELDS = b"trially data key: fields"
    """Encrypts columns of a tenant's rows."""

    BLIND_INDEXES = b"trially data key: blind indexes"
    """Makes the search terms of encrypted columns."""

    MASKING = b"trially data key: masking"
    """Makes the fictitious identifiers of a masked clone."""

    JOB_FILES = b"trially data key: files of jobs"
    """Encrypts uploaded files until a worker has imported them."""

    STUDY_DOCUMENTS = b"trially data key: documents of studies"
    """Encrypts the documents of studies and their text, and makes the digests of the files."""

    WEBHOOKS = b"trially data key: secrets of webhooks"
    """Makes the secrets with which webhooks are signed."""


@dataclass(frozen=True)
class DataKey:
    """One version of a tenant's data key. Its representation does not show the secret."""

    tenant_id: UUID
    version: int
    secret: bytes = field(repr=False)

    def derive(self, purpose: DataPurpose, length: int = 32, context: bytes = b"") -> bytes:
        """Return a key of `length` bytes for a purpose, by HKDF-SHA-256 (RFC 5869) without salt.

        Each context, such as the name of a column, has a key of its own.
        """
        # No purpose contains a NUL, so no two pairs of purpose and context have the same `info`.
        info = purpose.value + b"\0" + context
        return HKDF(SHA256(), length=length, salt=None, info=info).derive(self.secret)

    def __reduce__(self) -> str:
        """Refuse to be pickled, so that no cache or queue can store the secret."""
        raise TypeError("A data key cannot be pickled.")


def new_data_key(tenant_id: UUID, version: int) -> DataKey:
    """Return a new random data key."""
    return DataKey(tenant_id, version, secrets.token_bytes(DATA_KEY_BYTES))
