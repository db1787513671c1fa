"""Names of domains, and the proof that one is the tenant's."""

import re
import secrets

LONGEST_DOMAIN = 253
RECORD_PREFIX = "_trially"
"""The label below the domain whose TXT record is read."""

FILE_PATH = "/.well-known/trially-verification.txt"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?\Z")
_NEVER_OWN = ("localhost", "local", "internal", "invalid", "test", "example", "onion", "arpa")
"""Top-level domains that cannot be owned (RFC 6761 and others)."""


def normal_domain(name: str) -> str:
    """Return a domain in lower case, as ASCII and without the last dot.

    Raises `ValueError` if no web site can have it.
    """
    lowered = name.strip().lower().rstrip(".")
    try:
        ascii_name = lowered.encode("idna").decode() if not lowered.isascii() else lowered
    except UnicodeError as error:
        raise ValueError(name) from error
    last = ascii_name.rpartition(".")[2]
    if len(ascii_name) > LONGEST_DOMAIN or not _DOMAIN.match(ascii_name) or last in _NEVER_OWN:
        raise ValueError(name)
    return ascii_name


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_hex(16)


def record_name(domain: str) -> str:
    """Return the name of the TXT record that proves a domain."""
    return f"{RECORD_PREFIX}.{domain}"


def proof_of(token: str) -> str:
    """Return the text that the TXT record or the file has to hold."""
    return f"trially-verification={token}"
