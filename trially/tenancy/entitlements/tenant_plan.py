"""What one tenant is allowed now: its plan and its exceptions, as a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import Limit, quota_setting
from trially.tenancy.entitlements.model import DEFAULT_PLAN, Plan, PlanOverride


@dataclass(frozen=True)
class TenantPlan:
    """The limits and features of one tenant."""

    name: str = DEFAULT_PLAN
    limits: Mapping[Limit, int | None] = field(default_factory=dict)
    """None, or a limit that is missing, means unlimited."""

    features: frozenset[Feature] = frozenset(Feature)

    plans_with: Mapping[Feature, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """The names of the plans that have a feature, in their order."""

    def most(self, limit: Limit) -> int | None:
        """Return how many of something the tenant may have, or None if as many as it likes."""
        return self.limits.get(limit)

    def has(self, feature: str) -> bool:
        """Return whether the tenant has a feature."""
        return feature in self.features

    @property
    def quota_setting(self) -> str:
        """The setting with which each of the tenant's transactions passes on its quotas."""
        return quota_setting(self.limits)


def combine(
    plan: Plan, overrides: Iterable[PlanOverride], plans: Iterable[Plan] = ()
) -> TenantPlan:
    """Return what follows from a plan and from the exceptions that have not ended.

    `plans` are all plans. Names that this version does not know are left out.
    """
    limits = limits_of(plan)
    features = set(features_of(plan))
    for override in overrides:
        if override.is_on is None:
            if override.name in set(Limit):
                limits[Limit(override.name)] = override.most
        elif override.name in set(Feature):
            change = features.add if override.is_on else features.discard
            change(Feature(override.name))
    every = sorted(plans, key=lambda each: each.name)
    plans_with = {
        feature: tuple(each.name for each in every if feature in features_of(each))
        for feature in Feature
    }
    return TenantPlan(plan.name, limits, frozenset(features), plans_with)


def limits_of(plan: Plan) -> dict[Limit, int | None]:
    """Return all limits, as a plan sets them."""
    return {limit: plan.limits.get(limit) for limit in Limit}


def features_of(plan: Plan) -> frozenset[Feature]:
    """Return the features of a plan that this version knows."""
    if plan.features is None:
        return frozenset(Feature)
    return frozenset(feature for feature in Feature if feature in plan.features)
