"""SCRAM verifiers computed by the client, so that no password is sent to a server in clear text."""

import hashlib
import hmac
import secrets
from base64 import b64encode

ITERATIONS = 64
"""RFC 7677 requires at least 4096, to slow down the guessing of passwords that people choose. These
passwords are 256-bit keys, which cannot be guessed, and each new connection pays for iterations."""

SHORTEST_PASSWORD = 43
"""256 bits in base64."""


def scram_verifier(password: str) -> str:
    """Return the verifier of a password (RFC 5803; libpq's `PQencryptPasswordConn`).

    PostgreSQL stores a verifier in CREATE or ALTER ROLE as it is. So neither the server's log nor
    `pg_stat_activity` shows a password. psycopg2's `encrypt_password` returns the same at several
    times the cost. The password must be a derived one: at least 43 characters of ASCII, which needs
    no SASLprep. Any other raises `ValueError`.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"The password is shorter than {SHORTEST_PASSWORD} characters.")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return (
        f"SCRAM-SHA-256${ITERATIONS}:{b64encode(salt).decode()}"
        f"${b64encode(stored_key).decode()}:{b64encode(server_key).decode()}"
    )
