"""Keys derived from the installation's secret. No other package derives keys.

Each purpose has a key of its own, so a value that was sealed or signed for one purpose is rejected
for every other.
"""

from trially.keys import signing
from trially.keys.derivation import (
    Purpose,
    derive_key,
    fingerprint,
    pseudonym,
    role_password,
)
from trially.keys.sealing import UnsealError, seal, unseal, unseal_with_any
from trially.keys.secret_keys import SecretKeys, current_keys

__all__ = [
    "Purpose",
    "SecretKeys",
    "UnsealError",
    "current_keys",
    "derive_key",
    "fingerprint",
    "pseudonym",
    "role_password",
    "seal",
    "signing",
    "unseal",
    "unseal_with_any",
]
