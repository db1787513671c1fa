"""Keys derived from the installation's secret. No other package derives keys.

Each purpose has a key of its own, so a value that was sealed or signed for one purpose is rejected
for every other.
"""

from trially.keys.derivation import Purpose, derive_key, role_password
from trially.keys.sealing import UnsealError, seal, unseal

__all__ = ["Purpose", "UnsealError", "derive_key", "role_password", "seal", "unseal"]
