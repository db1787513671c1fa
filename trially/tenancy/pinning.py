"""An instance that is pinned to one tenant: to it, there is no other."""

from sqlalchemy import ColumnElement, true

from trially.config import current_settings
from trially.errors import OperatorError
from trially.tenancy.catalog import Tier, is_called
from trially.tenancy.plans import tier_of_plan


class PinnedError(OperatorError):
    """This instance is pinned to one tenant, and another is asked for."""


class NotPinnedError(OperatorError):
    """A silo is asked of an instance that serves whoever is in its catalog."""


def is_served() -> ColumnElement[bool]:
    """Select the tenants that this instance serves: the one it is pinned to, or all.

    A slug stays its tenant's when that is renamed, so the pin holds on to the tenant.
    """
    pinned = current_settings().pinned_tenant
    return is_called(pinned) if pinned else true()


def refuse_unserved(slug: str) -> None:
    """Raise `PinnedError` unless a new tenant called `slug` would be served here."""
    pinned = current_settings().pinned_tenant
    if pinned not in (None, slug):
        raise PinnedError(f"This instance is pinned to {pinned!r} (TRIALLY_PINNED_TENANT).")


def usual_tier(plan: str) -> Tier:
    """Return the tier of a tenant about whose tier nothing is said: its plan's."""
    return Tier.SILO if current_settings().pinned_tenant else tier_of_plan(plan)
