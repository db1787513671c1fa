"""The tiers that a plan allows."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.model import Plan
from trially.tenancy.plans.reading import get_plan
from trially.tenancy.tiers import DEFAULT_TIER, PINNED_TIER


class TierNotInPlanError(OperatorError):
    """The plan does not allow the tier."""


def tier_of_plan(session: Session, name: str) -> Tier:
    """Return the tier of a plan's new tenants.

    It is that of `TRIALLY_PLAN_TIERS`, else the first tier that the plan allows, else
    `DEFAULT_TIER`. On an instance that is pinned to one tenant it is `PINNED_TIER`, whatever the
    plan. Raises `UnknownPlanError`, or `TierNotInPlanError` for a setting that the plan forbids.
    """
    plan = get_plan(session, name)
    if current_settings().pinned_tenant:
        return PINNED_TIER
    tier = app_state().plan_tiers.get(name) or first_tier(plan)
    refuse_tier(plan, tier)
    return tier


def first_tier(plan: Plan) -> Tier:
    """Return the tier of a plan's new tenants, as the plan says it."""
    return Tier(plan.tiers[0]) if plan.tiers else DEFAULT_TIER


def refuse_tier(plan: Plan, tier: Tier) -> None:
    """Raise `TierNotInPlanError` if a plan does not allow a tier."""
    if not allows(plan.tiers, tier):
        raise TierNotInPlanError(
            f"The plan {plan.name} does not allow the tier {tier}, but {', '.join(plan.tiers)}."
            " Choose one of these, or another plan."
        )


def allows(tiers: Collection[str], tier: str) -> bool:
    """Return whether tenants of a plan with these tiers may be in a tier.

    A silo is not the plan's choice.
    """
    return not tiers or tier in tiers or tier == PINNED_TIER
