"""Plans: the plan of a new tenant determines its tier."""

from flask import Flask

from trially.config import Settings, SettingsError, current_settings
from trially.state import app_state, state_of
from trially.tenancy.catalog import Tier
from trially.tenancy.tiers import DEFAULT_TIER, PINNED_TIER, TIERS


def tier_of_plan(plan: str) -> Tier:
    """Return the tier of a plan's new tenants: from `TRIALLY_PLAN_TIERS`, else `DEFAULT_TIER`.

    On an instance that is pinned to one tenant it is `PINNED_TIER`, whatever the plan.
    """
    if current_settings().pinned_tenant:
        return PINNED_TIER
    return app_state().plan_tiers.get(plan, DEFAULT_TIER)


def init_app(app: Flask, settings: Settings) -> None:
    """Read the tier of each plan. Raises `SettingsError` for a tier that plans cannot choose."""
    offered = [tier.tier.value for tier in TIERS.values() if tier.is_offered_by_plans]
    unknown = set(settings.plan_tiers.values()) - set(offered)
    if unknown:
        raise SettingsError(
            f"TRIALLY_PLAN_TIERS names the unknown tier {', '.join(sorted(unknown))}."
            f" Choose from {', '.join(offered)}."
        )
    state_of(app).plan_tiers = {plan: Tier(tier) for plan, tier in settings.plan_tiers.items()}
