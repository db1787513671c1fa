"""Create, change and delete plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.entitlements.model import DEFAULT_PLAN, Plan
from trially.tenancy.entitlements.tenant_plan import features_of, limits_of
from trially.tenancy.names import check_line
from trially.tenancy.plans.reading import get_plan

ALL = "all"
"""Stands for all features, also those of later versions."""


class PlanError(OperatorError):
    """A plan cannot be created or deleted."""


@dataclass(frozen=True)
class PlanChange:
    """What a plan is to be. What is None or missing stays as it is."""

    description: str | None = None
    tiers: Sequence[Tier] | None = None
    limits: Mapping[Limit, int | None] = field(default_factory=dict)
    features: Mapping[str, bool] = field(default_factory=dict)
    """By the name of a `Feature`, or `ALL`."""

    def apply(self, plan: Plan) -> None:
        """Change a plan. Raises `UnsafeTextError` for a description that is no line of text."""
        if self.description is not None:
            check_line(self.description, "The description", length_of(Plan.description))
            plan.description = self.description
        if self.tiers is not None:
            plan.tiers = [str(tier) for tier in self.tiers]
        limits = {**limits_of(plan), **self.limits}
        plan.limits = {
            **_unknown(plan.limits, Limit),
            **{str(name): most for name, most in limits.items() if most is not None},
        }
        for name, is_on in self.features.items():
            plan.features = _with(plan, name, is_on=is_on)


def list_plans() -> Sequence[Mapping[str, Any]]:
    """Return all plans by name, as commands print them."""
    with catalog_transaction() as session:
        rows = session.execute(
            select(Tenant.plan, func.count().label("tenants")).group_by(Tenant.plan)
        )
        counts = {row.plan: row.tenants for row in rows}
        plans = session.scalars(select(Plan).order_by(Plan.name)).all()
        return [describe_plan(plan, counts.get(plan.name, 0)) for plan in plans]


def show_plan(name: str) -> dict[str, Any]:
    """Return a plan as commands print it, or raise `UnknownPlanError`."""
    with catalog_transaction() as session:
        return describe_plan(get_plan(session, name), _count_tenants(session, name))


def create_plan(name: str, change: PlanChange, like: str | None = None) -> dict[str, Any]:
    """Create a plan, by default without limits and features, and return it as it is printed.

    `like` names a plan to start from. Raises `PlanError`, `UnknownPlanError` or `UnsafeTextError`.
    """
    check_line(name, "The name of the plan", length_of(Plan.name))
    with catalog_transaction() as session:
        if session.get(Plan, name) is not None:
            raise PlanError(f"There is a plan {name!r} already. `flask plans change` changes it.")
        plan = (
            Plan(name=name, description="", tiers=[], limits={}, features=[])
            if like is None
            else _copy(get_plan(session, like), name)
        )
        change.apply(plan)
        session.add(plan)
        session.flush()
        return describe_plan(plan, 0)


def change_plan(name: str, change: PlanChange) -> dict[str, Any]:
    """Change a plan for all its tenants, and return it as it is printed.

    Every process knows it within 5 seconds. Raises `UnknownPlanError` or `UnsafeTextError`.
    """
    with catalog_transaction() as session:
        plan = get_plan(session, name)
        change.apply(plan)
        return describe_plan(plan, _count_tenants(session, name))


def preview_plan(name: str, change: PlanChange) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a plan as it is and as it would be. Raises `UnknownPlanError`."""
    with catalog_transaction() as session:
        plan, tenants = get_plan(session, name), _count_tenants(session, name)
    changed = _copy(plan, name)
    change.apply(changed)
    return describe_plan(plan, tenants), describe_plan(changed, tenants)


def delete_plan(name: str) -> None:
    """Delete a plan that no tenant has. Raises `PlanError` or `UnknownPlanError`."""
    with catalog_transaction() as session:
        plan = get_plan(session, name)
        if name == DEFAULT_PLAN:
            raise PlanError(f"New tenants get the plan {name!r}, so it cannot be deleted.")
        if tenants := _count_tenants(session, name):
            raise PlanError(
                f"Tenants have the plan {name!r}: {tenants}. Give them another one with `flask"
                f" tenants set`. `flask tenants list --plan {name}` lists them."
            )
        session.delete(plan)


def describe_plan(plan: Plan, tenants: int) -> dict[str, Any]:
    """Return what commands print of a plan."""
    return {
        "name": plan.name,
        "description": plan.description,
        "tenants": tenants,
        "tiers": list(plan.tiers) or [ALL],
        "features": [ALL] if plan.features is None else sorted(features_of(plan)),
        "limits": {str(limit): most for limit, most in limits_of(plan).items()},
    }


def _copy(plan: Plan, name: str) -> Plan:
    """Return a plan like another one, not saved yet."""
    return Plan(
        name=name,
        description=plan.description,
        tiers=list(plan.tiers),
        limits=dict(plan.limits),
        features=None if plan.features is None else list(plan.features),
    )


def _with(plan: Plan, name: str, *, is_on: bool) -> list[str] | None:
    """Return the features of a plan with or without one of them, or with all or none."""
    if name == ALL:
        return None if is_on else []
    known = features_of(plan)
    if is_on and plan.features is None:
        return None
    changed = known | {Feature(name)} if is_on else known - {Feature(name)}
    unknown = set(plan.features or ()) - set(Feature)
    return sorted({str(each) for each in changed} | unknown)


def _unknown(limits: Mapping[str, Any], known: type[Limit]) -> dict[str, Any]:
    """Return the limits of another version, which stay as they are."""
    return {name: most for name, most in limits.items() if name not in set(known)}


def _count_tenants(session: Session, name: str) -> int:
    statement = select(func.count()).select_from(Tenant).where(Tenant.plan == name)
    return session.scalar(statement) or 0
