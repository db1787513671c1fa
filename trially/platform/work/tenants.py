"""Create, change, suspend and erase tenants."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from trially.auth.platform.permissions import PlatformPermission
from trially.errors import OperatorError
from trially.platform.kinds import Outcome, Task, kind
from trially.platform.listing import Item, with_version
from trially.platform.reporting import Report
from trially.platform.tenants.reading import describe_in_full
from trially.tenancy.catalog import Operation, Tenant
from trially.tenancy.catalog_choices import TenantKind, Tier
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.erasing.ordering import cancel_erasure, order_erasure
from trially.tenancy.lifecycle.listing_commands import describe
from trially.tenancy.lifecycle.plans.assigning import Allowed, TenantChange, change_tenant
from trially.tenancy.lifecycle.provisioning import create_tenant, find_tenant_record
from trially.tenancy.lifecycle.status import rename_organisation, resume_tenant, suspend_tenant

CREATED_WITH = ("plan", "region", "time_zone", "server")


class VersionConflictError(OperatorError):
    """What is to be changed has changed since the client read it."""


def _outcome_of_creating(operation: Operation) -> Outcome:
    return _created(find_tenant_record(operation.tenant_id))


@kind("tenant.create", PlatformPermission.TENANTS_CREATE, outcome_of=_outcome_of_creating)
def create(task: Task, report: Report) -> Outcome:
    """Create a tenant."""
    asked = task.parameters
    report.say("create")
    owner = asked.get("owner")
    tenant = create_tenant(
        asked["slug"],
        asked["name"],
        kind=TenantKind(asked["kind"]),
        tier=Tier(asked["tier"]) if asked["tier"] else None,
        parameters=(
            None if owner is None else {"owner": owner, "owner_issuer": asked["owner_issuer"]}
        ),
        **{name: asked[name] for name in CREATED_WITH},
    )
    return _created(tenant)


@kind("tenant.change", PlatformPermission.TENANTS_CHANGE)
def change(task: Task, report: Report) -> Outcome:
    """Change the name, the plan and the exceptions of a tenant."""
    report.say("change")
    asked = task.parameters["change"]
    refuse_unseen(with_version(describe_in_full(task.tenant)), task.parameters["versions"])
    if "name" in asked:
        rename_organisation(task.tenant, asked["name"])
    effect: Item = {}
    for wanted in _changes_of(asked):
        effect = _effect(change_tenant(task.tenant, wanted))
    return Outcome({**effect, "tenant": describe_in_full(task.tenant)})


@kind("tenant.suspend", PlatformPermission.TENANTS_CHANGE)
def suspend(task: Task, report: Report) -> Outcome:
    """Suspend a tenant."""
    report.say("suspend")
    return Outcome(describe(suspend_tenant(task.tenant)))


@kind("tenant.resume", PlatformPermission.TENANTS_CHANGE)
def resume(task: Task, report: Report) -> Outcome:
    """Serve a suspended tenant again."""
    report.say("resume")
    return Outcome(describe(resume_tenant(task.tenant)))


@kind("tenant.order_erasure", PlatformPermission.TENANTS_ERASE)
def order(task: Task, report: Report) -> Outcome:
    """Order that a tenant is erased after a period."""
    report.say("suspend")
    period = dt.timedelta(days=task.parameters["after_days"])
    ordered = order_erasure(task.tenant, period, task.parameters["reason"])
    return Outcome({"erase_after": ordered.erasure.due_at, **describe(ordered.tenant)})


@kind("tenant.cancel_erasure", PlatformPermission.TENANTS_ERASE)
def cancel(task: Task, report: Report) -> Outcome:
    """Bring back a tenant whose erasure is ordered."""
    report.say("resume")
    return Outcome(describe(cancel_erasure(task.tenant)))


def refuse_unseen(item: Item, versions: Collection[int] | None) -> None:
    """Raise `VersionConflictError` unless an item has a version that a client has read."""
    if versions is not None and item["version"] not in versions:
        raise VersionConflictError(
            "It has changed since the version that If-Match names. Read it, and ask again."
        )


def _changes_of(asked: Item) -> list[TenantChange]:
    """Return the changes of the plan: one for each reason and end of an exception."""
    overrides = asked.get("overrides") or {}
    removed = [name for name, override in overrides.items() if override is None]
    changes = [TenantChange(plan=asked.get("plan"), removed=removed)]
    for name, override in overrides.items():
        if override is not None:
            changes.append(_exception(name, override))
    return [each for each in changes if each]


def _exception(name: str, override: Item) -> TenantChange:
    end = override["until"]
    value: dict[str, Any] = (
        {"features": {Feature(name): override["is_on"]}}
        if "is_on" in override
        else {"limits": {Limit(name): override["most"]}}
    )
    return TenantChange(
        reason=override["reason"],
        until=None if end is None else dt.datetime.fromisoformat(end),
        **value,
    )


def _effect(allowed: Allowed) -> Item:
    return {
        "plan": allowed.after.name,
        "exceeded": sorted(allowed.exceeded),
        "lost_features": sorted(allowed.lost),
        "move_to": allowed.move_to,
    }


def _created(tenant: Tenant) -> Outcome:
    return Outcome(describe(tenant), tenant.id)
