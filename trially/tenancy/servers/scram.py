"""SCRAM verifiers made by the client, so that no password is ever sent to a server in clear."""

import hashlib
import hmac
import secrets
from base64 import b64encode

ITERATIONS = 64
"""RFC 7677 asks for 4096 or more, to slow down the guessing of passwords that people choose. These
are 256-bit keys: no one guesses them at any speed, and each new connection pays for iterations."""

SHORTEST_PASSWORD = 43
"""256 bits in base64."""


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores of a password (RFC 5803; libpq's `PQencryptPasswordConn`).

    Sent in a CREATE or ALTER ROLE, it is taken as it is: neither the server's log nor
    `pg_stat_activity` ever shows a password. psycopg2's `encrypt_password` gives the same at
    several times the cost. The password must be a derived one: long, and ASCII, which needs no
    SASLprep; anything else raises `ValueError`.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError("A password that could be guessed needs more iterations than this.")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return (
        f"SCRAM-SHA-256${ITERATIONS}:{b64encode(salt).decode()}"
        f"${b64encode(stored_key).decode()}:{b64encode(server_key).decode()}"
    )
