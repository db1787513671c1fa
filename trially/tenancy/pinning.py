"""Pinning: an instance that serves one tenant, and answers as if no other tenant existed."""

from sqlalchemy import ColumnElement

from trially.config import current_settings
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant, is_called
from trially.tenancy.catalog_choices import UNCLAIMED


class PinnedError(OperatorError):
    """This instance is pinned to one tenant, and another one was requested."""


class NotPinnedError(OperatorError):
    """A silo was requested on an instance that is not pinned to one tenant."""


def is_served() -> ColumnElement[bool]:
    """Return the condition on `Tenant` for the tenants that this instance serves.

    The condition follows the pinned tenant through a change of its slug, because a former slug
    stays reserved for its tenant. Tenants that are only kept ready are never served.
    """
    pinned = current_settings().pinned_tenant
    is_claimed = Tenant.status.not_in(UNCLAIMED)
    return is_called(pinned) & is_claimed if pinned else is_claimed


def refuse_unserved(slug: str) -> None:
    """Raise `PinnedError` if this instance would not serve a new tenant called `slug`."""
    pinned = current_settings().pinned_tenant
    if pinned not in (None, slug):
        raise PinnedError(
            f"This instance serves the tenant {pinned!r} only (TRIALLY_PINNED_TENANT)."
        )
