"""Recognise an erased record by a digest of its key."""

from hashlib import blake2b

DIGEST_BYTES = 16


def erasure_digest(salt: bytes, base_url: str, source_id: str) -> bytes:
    """Return the digest of a patient's key at a source whose salt is given.

    Without the salt, nobody can tell whose key it is by trying all ids.
    """
    key = f"{base_url}/Patient/{source_id}".encode()
    return blake2b(key, key=salt, digest_size=DIGEST_BYTES).digest()
