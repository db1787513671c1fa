"""The documented limits of tiers: attacks that succeed between tenants of one shared database."""

from enum import StrEnum


class Limit(StrEnum):
    """A way in which injected SQL reaches another tenant of the same database."""

    SET_ROLE = "set role"
    """The SQL switches to the other tenant's role, because the login role is a member of it."""

    SET_TENANT_ID = "set tenant id"
    """The SQL sets the other tenant's id in the transaction, which the policies trust."""
