"""Authenticate bytes under a key that derives from a tenant's data key."""

import hmac


def authentication_code(key: bytes, content: bytes) -> str:
    """Return the HMAC-SHA-256 (RFC 2104) of some bytes, in hexadecimal digits."""
    return hmac.digest(key, content, "sha256").hex()
