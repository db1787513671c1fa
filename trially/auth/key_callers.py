"""Find the tenant of an API key, and the member for whom it acts."""

from trially.auth.api_keys.verifying import (
    TooManyUnknownKeysError,
    UnknownKeyError,
    count_unknown,
    find_key_holder,
    refuse_flood,
)
from trially.auth.members.identities import Identity
from trially.auth.named_tenants import find_entry, read_choices
from trially.auth.refusals import (
    control_plane_unavailable,
    no_access,
    too_many_unknown_keys,
    unknown_key,
)
from trially.database.placement import Placement, ReplicaBehindError, ReplicaPlacement
from trially.keys.api_keys import PresentedKey
from trially.tenancy.catalog_reader import CatalogUnavailableError
from trially.tenancy.directory import TenantEntry


def resolve_tenant_of_key(key: PresentedKey) -> TenantEntry:
    """Return the tenant that a key names, or raise `Unauthorized`.

    The request may name that tenant too. The answer to a key of an unknown or suspended tenant is
    the one to an unknown key, so it does not reveal which tenants exist.
    """
    reference = str(key.tenant_id)
    try:
        refuse_flood(key)
        entry = find_entry(reference)
    except TooManyUnknownKeysError:
        raise too_many_unknown_keys() from None
    except CatalogUnavailableError:
        raise control_plane_unavailable() from None
    if not read_choices() <= (entry.names if entry else {reference}):
        raise no_access("tenant_not_of_key")
    if entry is None or entry.is_suspended:
        count_unknown()
        raise unknown_key("unknown_api_key")
    return entry


def read_identity_of_key(key: PresentedKey, placement: Placement) -> Identity:
    """Return the member for whom a key acts. Nothing is recorded about an unknown key."""
    try:
        identity = find_key_holder(placement, key)
    except TooManyUnknownKeysError:
        raise too_many_unknown_keys() from None
    except UnknownKeyError as error:
        raise unknown_key(error.reason) from None
    if identity is None and isinstance(placement, ReplicaPlacement):
        raise ReplicaBehindError("The replica does not have this API key yet.")
    if identity is None:
        count_unknown()
        raise unknown_key("unknown_api_key")
    return identity
