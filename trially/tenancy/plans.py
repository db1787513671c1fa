"""What a tenant's plan decides: for now, the tier that it is placed in."""

from flask import Flask

from trially.config import Settings, SettingsError
from trially.state import app_state, state_of
from trially.tenancy.catalog import Tier

OFFERED = (Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS)
"""A silo is an instance of its own, so no plan of this one leads to it."""


def tier_of_plan(plan: str) -> Tier:
    """Return the tier of a plan's tenants: a dedicated database, unless the settings say more."""
    return app_state().plan_tiers.get(plan, Tier.DEDICATED_DATABASE)


def init_app(app: Flask, settings: Settings) -> None:
    """Read which plan means which tier. Raises `SettingsError` for a tier that there is not."""
    unknown = set(settings.plan_tiers.values()) - set(OFFERED)
    if unknown:
        raise SettingsError(
            f"TRIALLY_PLAN_TIERS: {', '.join(sorted(unknown))} is none of {', '.join(OFFERED)}."
        )
    state_of(app).plan_tiers = {plan: Tier(tier) for plan, tier in settings.plan_tiers.items()}
