"""Read from the catalog what a tenant is allowed."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.entitlements.model import Plan, PlanOverride
from trially.tenancy.entitlements.tenant_plan import TenantPlan, combine

PLAN_STAMP = (
    " (SELECT string_agg(concat(y.name, y.xmin), '/' ORDER BY y.name) FROM plan y),"
    " (SELECT string_agg(concat(x.name, x.xmin), '/' ORDER BY x.name) FROM plan_override x"
    "  WHERE x.tenant_id = tenant.id AND (x.until IS NULL OR x.until > now()))"
)
"""SQL that changes with any plan, and with an exception of the tenant, also when one ends.

Each entry says which plans have a feature, so a change of any plan is one of all entries.
"""


class UnknownPlanError(OperatorError):
    """There is no plan of this name."""


def get_plan(session: Session, name: str) -> Plan:
    """Return the plan of a name, or raise `UnknownPlanError`."""
    plan = session.get(Plan, name)
    if plan is None:
        names = session.scalars(select(Plan.name).order_by(Plan.name))
        raise UnknownPlanError(f"There is no plan {name!r}. Choose from {', '.join(names)}.")
    return plan


def tenant_plan_of(session: Session, tenant: Tenant) -> TenantPlan:
    """Return what a tenant is allowed now."""
    plans = session.scalars(select(Plan)).all()
    by_name = {plan.name: plan for plan in plans}
    return combine(by_name[tenant.plan], active_overrides(session, tenant.id), plans)


def active_overrides(session: Session, tenant_id: UUID) -> Sequence[PlanOverride]:
    """Return the exceptions of a tenant that have not ended, by name."""
    return session.scalars(
        select(PlanOverride)
        .where(
            PlanOverride.tenant_id == tenant_id,
            or_(PlanOverride.until.is_(None), PlanOverride.until > func.now()),
        )
        .order_by(PlanOverride.name)
    ).all()
