"""What tenants may have by their plan, and how many tenants of each tier are kept ready."""

from collections.abc import Collection

from flask import Flask

from trially.config import Settings, SettingsError
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.tiers import TIERS

MOST_READY = 1000
"""The most tenants of a tier that are kept ready on a server."""


def init_app(app: Flask, settings: Settings) -> None:
    """Read the tier of each plan. Raises `SettingsError` for a tier that plans cannot choose.

    The number of ready tenants is read too.
    """
    offered = [tier.tier.value for tier in TIERS.values() if tier.is_offered_by_plans]
    unknown = set(settings.plan_tiers.values()) - set(offered)
    if unknown:
        raise SettingsError(
            f"TRIALLY_PLAN_TIERS names the unknown tier {', '.join(sorted(unknown))}."
            f" Choose from {', '.join(offered)}."
        )
    state_of(app).plan_tiers = {plan: Tier(tier) for plan, tier in settings.plan_tiers.items()}
    state_of(app).ready_tenants = _read_ready(settings, offered)


def _read_ready(settings: Settings, offered: Collection[str]) -> dict[Tier, int]:
    """Return how many tenants of each tier are kept ready."""
    ready = {tier: count for tier, count in settings.ready_tenants.items() if count != "0"}
    if ready and settings.pinned_tenant:
        raise SettingsError(
            "TRIALLY_READY_TENANTS cannot be set together with TRIALLY_PINNED_TENANT: an instance"
            " of one tenant keeps no others ready."
        )
    for tier, count in ready.items():
        if tier not in offered:
            raise SettingsError(
                f"TRIALLY_READY_TENANTS names the unknown tier {tier}."
                f" Choose from {', '.join(offered)}."
            )
        if not (count.isdecimal() and count.isascii() and int(count) <= MOST_READY):
            raise SettingsError(
                f"TRIALLY_READY_TENANTS has {count!r} for {tier}. Set it to a number from 0 to"
                f" {MOST_READY}."
            )
    return {Tier(tier): int(count) for tier, count in ready.items()}
