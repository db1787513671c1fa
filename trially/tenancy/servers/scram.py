"""Compute SCRAM verifiers in the client, so that no password is sent to a server in clear."""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode

ITERATIONS = 64
"""RFC 7677 requires at least 4096, to slow down guesses at passwords that people choose.

Derived passwords are 256-bit keys, which cannot be guessed at any speed, and each new connection
pays for the iterations.
"""

MIN_PASSWORD_LENGTH = 43
"""256 bits in base64."""

_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(?P<iterations>[0-9]{1,9}):(?P<salt>[A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=:]+"
)


def scram_verifier(password: str) -> str:
    """Return the verifier that PostgreSQL stores for a password (RFC 5803).

    CREATE ROLE and ALTER ROLE accept a verifier as the password, so neither the server's log nor
    `pg_stat_activity` shows a password. psycopg2's `encrypt_password` computes the same at several
    times the cost. Raises `ValueError` for a password that is short or not ASCII: it would need
    more iterations, or SASLprep.
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ValueError("The password is too short for so few iterations.")
    return _verifier(password, secrets.token_bytes(16), ITERATIONS)


def is_verifier_of(verifier: str, password: str) -> bool:
    """Return whether a verifier, as `pg_authid` has it, is one of this password."""
    match = _VERIFIER.fullmatch(verifier)
    if match is None:
        return False
    computed = _verifier(password, b64decode(match["salt"]), int(match["iterations"]))
    return hmac.compare_digest(computed, verifier)


def _verifier(password: str, salt: bytes, iterations: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return (
        f"SCRAM-SHA-256${iterations}:{b64encode(salt).decode()}"
        f"${b64encode(stored_key).decode()}:{b64encode(server_key).decode()}"
    )
