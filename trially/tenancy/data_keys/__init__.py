"""Tenants' data keys: the catalog stores them wrapped, and a provider's master key unwraps them.

`data_key` and `data_key_of_version` are for reading and writing a tenant's values. A tenant's key
is created with the tenant, rotated by an operator, and destroyed when the tenant is erased.
"""

from trially.tenancy.data_keys.changing import (
    add_data_key,
    destroy_data_keys,
    rotate_data_key,
)
from trially.tenancy.data_keys.errors import (
    DestroyedKeyError,
    NoMasterKeyError,
    UnknownKeyError,
)
from trially.tenancy.data_keys.finding import (
    data_key,
    data_key_of_version,
    init_app,
)
from trially.tenancy.data_keys.masters import has_master_key

__all__ = [
    "DestroyedKeyError",
    "NoMasterKeyError",
    "UnknownKeyError",
    "add_data_key",
    "data_key",
    "data_key_of_version",
    "destroy_data_keys",
    "has_master_key",
    "init_app",
    "rotate_data_key",
]
