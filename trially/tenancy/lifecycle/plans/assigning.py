"""Change what one tenant may have: its plan, and its exceptions from the plan."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from sqlalchemy import delete
from sqlalchemy.orm import Session

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.entitlements.model import Plan, PlanOverride
from trially.tenancy.entitlements.tenant_plan import TenantPlan, combine
from trially.tenancy.lifecycle.plans.using import count_use
from trially.tenancy.lifecycle.status import find_to_change
from trially.tenancy.names import check_line
from trially.tenancy.plans.reading import active_overrides, get_plan, tenant_plan_of
from trially.tenancy.plans.tiers import allows, first_tier


class OverrideError(OperatorError):
    """An exception from a plan is not complete."""


@dataclass(frozen=True)
class TenantChange:
    """What is to change for one tenant. What is None or missing stays as it is."""

    plan: str | None = None
    limits: Mapping[Limit, int | None] = field(default_factory=dict)
    """Exceptions from the limits of the plan; None means unlimited."""

    features: Mapping[Feature, bool] = field(default_factory=dict)
    removed: Collection[str] = ()
    """Names of limits and features that are to be those of the plan again."""

    reason: str | None = None
    until: dt.datetime | None = None
    """When the exceptions end. None means never."""

    def __bool__(self) -> bool:
        """Return whether anything is to change."""
        return bool(self.plan or self.limits or self.features or self.removed)


@dataclass(frozen=True)
class Allowed:
    """What a tenant may have before and after a change, and what it uses."""

    tenant: Tenant
    before: TenantPlan
    after: TenantPlan
    use: Mapping[Limit, int] | None
    """None if the tenant's server does not answer."""

    move_to: Tier | None
    """The tier to which the plan obliges the tenant to move; None if it allows the present one."""

    @property
    def exceeded(self) -> Mapping[Limit, tuple[int, int]]:
        """The limits that the tenant exceeds after the change: what it uses, and the limit."""
        return {
            limit: (used, most)
            for limit, used in (self.use or {}).items()
            if (most := self.after.most(limit)) is not None and used > most
        }

    @property
    def lost(self) -> frozenset[Feature]:
        """The features that the tenant loses."""
        return self.before.features - self.after.features


def change_tenant(reference: str, change: TenantChange, *, is_dry_run: bool = False) -> Allowed:
    """Change what a tenant may have, and return the effect. Every process knows it within 5 s.

    Raises `UnknownTenantError`, `UnknownPlanError`, `OverrideError` or `UnsafeTextError`.
    """
    _check(change)
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        plan = get_plan(session, change.plan or tenant.plan)
        overrides = {each.name: each for each in active_overrides(session, tenant.id)}
        before = tenant_plan_of(session, tenant)
        wanted = _wanted(tenant, change)
        kept = [each for name, each in overrides.items() if name not in change.removed]
        after = combine(plan, [*kept, *wanted])
        if not is_dry_run:
            _apply(session, tenant, plan, change, wanted)
    directory().forget(tenant.id)
    tier = tenant.placement.tier
    move_to = None if allows(plan.tiers, tier) else first_tier(plan)
    return Allowed(tenant, before, after, find_use(tenant), move_to)


def describe_allowed(tenant: Tenant) -> dict[str, Any]:
    """Return the features, the limits with their use, and the exceptions, as commands print them.

    What is not counted has the use None.
    """
    with catalog_transaction() as session:
        plan = tenant_plan_of(session, tenant)
        overrides = active_overrides(session, tenant.id)
    use = find_use(tenant) or {}
    return {
        "features": sorted(plan.features),
        "limits": {
            str(limit): {"most": plan.most(limit), "used": use.get(limit)} for limit in Limit
        },
        "overrides": [
            {
                "name": each.name,
                "value": each.most if each.is_on is None else each.is_on,
                "reason": each.reason,
                "until": each.until,
            }
            for each in overrides
        ],
    }


def find_use(tenant: Tenant) -> Mapping[Limit, int] | None:
    """Return what a tenant uses of its quotas, or None if its server does not answer."""
    try:
        return count_use(tenant.placement)
    except psycopg2.Error:
        return None


def _check(change: TenantChange) -> None:
    if change.limits or change.features:
        if change.reason is None:
            raise OverrideError("Say why the tenant gets an exception from its plan: --reason.")
        check_line(change.reason, "The reason", length_of(PlanOverride.reason))
    elif change.until is not None:
        raise OverrideError("--until is the end of an exception: add --limit or --feature.")
    if change.until is not None and change.until <= dt.datetime.now(dt.UTC):
        raise OverrideError("The exception would end in the past. Choose a later --until.")
    if twice := {*change.limits, *change.features} & set(change.removed):
        raise OverrideError(f"Set or remove {', '.join(sorted(twice))}, not both.")


def _wanted(tenant: Tenant, change: TenantChange) -> list[PlanOverride]:
    """Return the exceptions that the tenant is to have, not saved yet."""
    values: dict[str, dict[str, Any]] = {
        **{str(limit): {"most": most, "is_on": None} for limit, most in change.limits.items()},
        **{str(name): {"most": None, "is_on": is_on} for name, is_on in change.features.items()},
    }
    return [
        PlanOverride(
            tenant_id=tenant.id, name=name, reason=change.reason, until=change.until, **value
        )
        for name, value in values.items()
    ]


def _apply(
    session: Session,
    tenant: Tenant,
    plan: Plan,
    change: TenantChange,
    wanted: Iterable[PlanOverride],
) -> None:
    tenant.plan = plan.name
    session.execute(
        delete(PlanOverride).where(
            PlanOverride.tenant_id == tenant.id, PlanOverride.name.in_(change.removed)
        )
    )
    for override in wanted:
        session.merge(override)
