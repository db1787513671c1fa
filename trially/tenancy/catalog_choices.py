"""Values that columns of the catalog may have."""

from enum import StrEnum


class TenantStatus(StrEnum):
    """Whether a tenant is being provisioned, is served, or is suspended; or is only kept ready."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    PREPARING = "preparing"
    """The storage of a ready tenant is being created or removed."""

    READY = "ready"
    """Its storage is complete, and no customer has it. The next new tenant of its tier takes it."""

    ERASING = "erasing"
    """It is being erased. `Tenant.erase_after` says of others that they will be."""


UNBUILT = (TenantStatus.PROVISIONING, TenantStatus.PREPARING, TenantStatus.ERASING)
"""The storage may be incomplete."""

UNSERVED = (TenantStatus.PROVISIONING, TenantStatus.ERASING)
"""A customer's tenant that no request can enter, whatever its guard says."""

UNCLAIMED = (TenantStatus.PREPARING, TenantStatus.READY)
"""No customer has the tenant. No list, no request and no command about tenants knows it."""


class TenantKind(StrEnum):
    """The kind of organisation that a tenant is."""

    SITE = "site"
    CRO = "cro"
    HEALTH_SYSTEM = "health_system"


class Tier(StrEnum):
    """A kind of placement."""

    DEDICATED_DATABASE = "dedicated_database"
    OWN_SCHEMA = "own_schema"
    POOLED_ROWS = "pooled_rows"
    SILO = "silo"


class OperationState(StrEnum):
    """Whether an operation is running, done, being undone, or undone."""

    RUNNING = "running"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"
