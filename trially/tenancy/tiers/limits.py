"""The documented limits of tiers: attacks that succeed between tenants of one shared database."""

from enum import StrEnum


class Limit(StrEnum):
    """What SQL injected into the app's own session can do to another tenant of the database."""

    SET_ROLE = "set role"
    """Take on the other tenant's role, because the login role is a member of it."""

    SET_TENANT_ID = "set tenant id"
    """Set the other tenant's id in the transaction, which the policies trust."""
