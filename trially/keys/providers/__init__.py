"""Providers of master keys: they wrap and unwrap tenants' data keys.

A provider keeps a master key in a file, in a key management service, or in a hardware security
module. The data key passes through it, and the master key never leaves it.
"""

from trially.keys.providers.errors import (
    KeyProviderError,
    MasterKeyLostError,
    MasterKeyRefusedError,
    ProviderUnavailableError,
    UnknownProviderError,
    WrongContextError,
)
from trially.keys.providers.opening import check_provider, open_provider
from trially.keys.providers.provider import KeyContext, KeyProvider
from trially.keys.providers.wrapped import WrappedKey

__all__ = [
    "KeyContext",
    "KeyProvider",
    "KeyProviderError",
    "MasterKeyLostError",
    "MasterKeyRefusedError",
    "ProviderUnavailableError",
    "UnknownProviderError",
    "WrappedKey",
    "WrongContextError",
    "check_provider",
    "open_provider",
]
