"""Recognise an erased record by digests of its key and of its identifiers."""

from hashlib import blake2b

DIGEST_BYTES = 16


def erasure_digest(salt: bytes, base_url: str, source_id: str) -> bytes:
    """Return the digest of a patient's key at a source whose salt is given.

    Without the salt, nobody can tell whose key it is by trying all ids.
    """
    return _digest(salt, f"{base_url}/Patient/{source_id}")


def identifier_digest(salt: bytes, identifier_key: str) -> bytes:
    """Return the digest of an identifier, as a reference names it: `?`, system, `|` and value."""
    return _digest(salt, identifier_key)


def _digest(salt: bytes, key: str) -> bytes:
    return blake2b(key.encode(), key=salt, digest_size=DIGEST_BYTES).digest()
