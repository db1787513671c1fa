"""The keys of one archive. They derive from the tenant's data key and the archive's id.

So each archive has keys of its own, and whoever gets one cannot open another.
"""

from uuid import UUID

import bech32
from pyrage import x25519

from trially.keys.authentication import authentication_code
from trially.keys.data_keys import DataKey, DataPurpose

_PREFIX = "age-secret-key-"
_ENCRYPTION, _MANIFEST = b"encryption ", b"manifest "


def identity_text(key: DataKey, archive_id: UUID) -> str:
    """Return the secret key of an archive as age writes it: `AGE-SECRET-KEY-1…` (Bech32)."""
    secret = key.derive(DataPurpose.ARCHIVES, context=_ENCRYPTION + archive_id.bytes)
    groups = bech32.convertbits(secret, 8, 5) or []
    return bech32.bech32_encode(_PREFIX, groups).upper()


def identity_of(key: DataKey, archive_id: UUID) -> x25519.Identity:
    """Return the age identity that decrypts an archive."""
    return x25519.Identity.from_str(identity_text(key, archive_id))


def authenticate(key: DataKey, archive_id: UUID, manifest: bytes) -> str:
    """Return the HMAC-SHA-256 of a manifest, in hexadecimal digits."""
    secret = key.derive(DataPurpose.ARCHIVES, context=_MANIFEST + archive_id.bytes)
    return authentication_code(secret, manifest)
