"""Refuse what the tenant's plan does not allow: a feature, or more than a quota or a limit."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Flask

from trially.config import current_settings
from trially.database.quotas import QuotaExceededError
from trially.http.codes import Code
from trially.http.contract import View, contract_of
from trially.http.problems import Forbidden, TooManyRequests
from trially.http.retry_after import retry_after
from trially.rate_limits.counts import API_KEY, MEMBER, TENANT, WINDOW_SECONDS, Standing
from trially.tenancy.context import current_tenant
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.tenant_entries import TenantEntry

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
ASK_OPERATOR = "Ask the operator of this service"
_ALLOWED = {
    TENANT: "the tenant's plan allows",
    MEMBER: "one member may send",
    API_KEY: "one API key may send",
}


def refuse_missing_feature(view: View, tenant: TenantEntry) -> None:
    """Raise `Forbidden` if a view needs a feature that the tenant does not have."""
    feature = contract_of(view).feature
    if feature is None or tenant.plan.has(feature):
        return
    plans = tenant.plan.plans_with[Feature(feature)]
    having = f" It is part of {', '.join(plans)}." if plans else ""
    raise Forbidden(
        f"The plan {tenant.plan.name} of this tenant lacks the feature {feature}.{having}"
        f" {_whom_to_ask()} for it.",
        code=Code.FEATURE_NOT_IN_PLAN,
        extensions={
            "feature": str(feature),
            "plan": tenant.plan.name,
            "plans": list(plans),
            **_contact(),
        },
    )


def quota_problem(error: QuotaExceededError, headers: Mapping[str, str] = NO_HEADERS) -> Forbidden:
    """Return the problem of a transaction that would exceed a quota.

    It is 403 and not 409, as that of a missing feature: only another plan allows the same request.
    """
    return Forbidden(
        f"{error} {_whom_to_ask()} for more, or delete some.",
        code=Code.QUOTA_EXCEEDED,
        headers=headers,
        extensions={
            "limit": error.quota,
            "most": error.most,
            "used": error.used,
            "plan": current_tenant().plan.name,
            **_contact(),
        },
    )


def too_many_requests(exhausted: Standing, tenant: TenantEntry) -> TooManyRequests:
    """Return the problem of a request that exceeds the requests of a minute."""
    whose = _ALLOWED[exhausted.name]
    return TooManyRequests(
        f"In {WINDOW_SECONDS} seconds, {whose} {exhausted.most} requests, and they are used. Repeat"
        f" the request after {exhausted.seconds} seconds. {_whom_to_ask()} for more.",
        headers={"Retry-After": str(exhausted.seconds)},
        extensions={
            "limit": str(Limit.REQUESTS_PER_MINUTE),
            "of": exhausted.name,
            "most": exhausted.most,
            "window_seconds": WINDOW_SECONDS,
            "plan": tenant.plan.name,
            **_contact(),
        },
    )


def too_many_at_once(tenant: TenantEntry) -> TooManyRequests:
    """Return the problem of a request while as many of its tenant run as the plan allows."""
    limit = Limit.CONCURRENT_REQUESTS
    most = tenant.plan.most(limit)
    return TooManyRequests(
        f"The tenant's plan allows {most} requests at the same time. Repeat the request when"
        f" others have ended. {_whom_to_ask()} for more.",
        headers=retry_after(Code.TOO_MANY_REQUESTS, tenant.tenant_id),
        extensions={
            "limit": str(limit),
            "of": TENANT,
            "most": most,
            "window_seconds": None,
            "plan": tenant.plan.name,
            **_contact(),
        },
    )


def init_app(app: Flask) -> None:
    """Render the refusal of a transaction that would exceed a quota."""
    app.register_error_handler(QuotaExceededError, lambda error: quota_problem(error).to_response())


def _whom_to_ask() -> str:
    contact = current_settings().plan_contact
    return ASK_OPERATOR if contact is None else f"Ask {contact}"


def _contact() -> dict[str, Any]:
    return {"contact": current_settings().plan_contact}
