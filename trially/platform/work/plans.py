"""Create, change and delete plans."""

from typing import Any

from trially.auth.platform.permissions import PlatformPermission
from trially.platform.kinds import Outcome, Parameters, Task, kind
from trially.platform.listing import with_version
from trially.platform.reporting import Report
from trially.platform.work.tenants import refuse_unseen
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.managing import (
    PlanChange,
    change_plan,
    create_plan,
    delete_plan,
    show_plan,
)


@kind("plan.create", PlatformPermission.PLANS_WRITE)
def create(task: Task, report: Report) -> Outcome:
    """Create a plan."""
    report.say("create")
    asked = task.parameters
    return Outcome(create_plan(asked["name"], _change_of(asked), asked.get("like")))


@kind("plan.change", PlatformPermission.PLANS_WRITE)
def change(task: Task, report: Report) -> Outcome:
    """Change a plan for all its tenants."""
    report.say("change")
    name = task.parameters["plan"]
    refuse_unseen(with_version(show_plan(name)), task.parameters["versions"])
    return Outcome(change_plan(name, _change_of(task.parameters["change"])))


@kind("plan.delete", PlatformPermission.PLANS_WRITE)
def delete(task: Task, report: Report) -> Outcome:
    """Delete a plan that no tenant has."""
    report.say("delete")
    delete_plan(task.parameters["plan"])
    return Outcome({"name": task.parameters["plan"]})


def _change_of(asked: Parameters) -> PlanChange:
    tiers: list[Any] | None = asked.get("tiers")
    return PlanChange(
        description=asked.get("description"),
        tiers=None if tiers is None else [Tier(each) for each in tiers],
        limits={Limit(name): most for name, most in asked.get("limits", {}).items()},
        features=asked.get("features", {}),
    )
