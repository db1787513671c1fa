"""Derive keys and passwords from `TRIALLY_SECRET_KEY`.

Every function here must return the same bytes in every release: installations have stored values
that depend on them. `tests/keys` holds each derivation to a fixed vector.
"""

import hmac
from base64 import urlsafe_b64encode
from enum import Enum
from functools import cache
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


class Purpose(Enum):
    """The use of a key. The value is HKDF's `info`, so a changed value is a different key."""

    SERVER_PASSWORDS = b"trially: passwords of servers' administrators"
    """Encrypts the passwords of servers' administrators that the catalog stores."""

    READ_AFTER_TOKENS = b"trially: read after"
    """Encrypts the WAL positions that clients send back as `X-Read-After`."""

    PROOF_SIGNATURES = b"trially: signature of proofs of isolation"
    """Seeds the Ed25519 key that signs reports of `flask tenants prove`."""

    DOSSIER_SIGNATURES = b"trially: signature of dossiers"
    """Seeds the Ed25519 key that signs the dossiers of tenants."""

    ERASURE_SIGNATURES = b"trially: signature of certificates of erasure"
    """Seeds the Ed25519 key that signs certificates of erased tenants and persons."""

    PAGE_CURSORS = b"trially: signatures of page cursors"
    """Encrypts the cursors of lists. They were signed when this purpose was named."""

    ERASED_PATIENTS = b"trially: pseudonyms of erased patients"
    """Makes pseudonyms of erased patients. Their numbers would tell how many others there are."""

    JOB_FILES = b"trially: files of jobs"
    """Encrypts uploaded files until a worker has imported them."""

    FINGERPRINT = b"trially: fingerprint of the secret key"
    """Identifies the secret key. The catalog stores it, so it must not help to guess the key."""


@cache
def derive_key(secret_key: str, purpose: Purpose) -> bytes:
    """Return the 32-byte key of a purpose, by HKDF-SHA-256 (RFC 5869) without salt."""
    derivation = HKDF(SHA256(), length=KEY_BYTES, salt=None, info=purpose.value)
    return derivation.derive(secret_key.encode())


def fingerprint(secret_key: str) -> str:
    """Return 32 hexadecimal digits by which the catalog recognises the secret key.

    It does not help to guess: the only way from a fingerprint to its key is to try keys, and each
    trial could as well be made against any other value that derives from the key.
    """
    return derive_key(secret_key, Purpose.FINGERPRINT)[:16].hex()


def role_password(secret_key: str, server: str, role: str) -> str:
    """Return the password of a database role on a server: HMAC-SHA-256, in base64url.

    The server stores a SCRAM verifier only, and trially derives the password whenever it connects.
    So nothing has to store the password.
    """
    digest = hmac.digest(secret_key.encode(), f"role:{server}:{role}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def pseudonym(secret_key: str, tenant_id: UUID, number: int) -> str:
    """Return 16 hexadecimal digits that stand for the audit number of a tenant's erased patient.

    The numbers of tenants that share tables come from one sequence.
    """
    key = derive_key(secret_key, Purpose.ERASED_PATIENTS)
    return hmac.digest(key, tenant_id.bytes + number.to_bytes(8, "big"), "sha256")[:8].hex()
