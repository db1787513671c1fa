"""The route `/me`, which describes the caller."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.auth.roles import PhiLevel, Role
from trially.http.contract import returns
from trially.http.fields import EXAMPLE, Choice
from trially.rate_limits.counts import API_KEY, MEMBER, TENANT, Standing
from trially.request_state import request_state
from trially.state import app_state
from trially.tenancy.catalog_choices import TenantKind
from trially.tenancy.context import current_tenant
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import QUOTAS, Limit
from trially.tenancy.entitlements.tenant_plan import TenantPlan
from trially.tenancy.plans.counted import used_quotas

bp = Blueprint("me", __name__)


class TenantSchema(Schema):
    """The tenant that a token is for."""

    id = fields.UUID(required=True)
    slug = fields.String(required=True, metadata={EXAMPLE: "heartland"})
    name = fields.String(required=True, metadata={EXAMPLE: "Heartland Research"})
    kind = Choice(TenantKind, required=True)
    time_zone = fields.String(
        required=True,
        metadata={
            EXAMPLE: "America/Chicago",
            "description": "IANA name of the time zone of times that a source writes without one.",
        },
    )


class LimitSchema(Schema):
    """One limit of the tenant's plan."""

    name = Choice(Limit, required=True)
    most = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Null means unlimited."}
    )
    used = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "How much of it is used; null if it is not counted."},
    )
    most_of_caller = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "How much of it the caller may use; null if as much as the tenant."
        },
    )


class TenantPlanSchema(Schema):
    """What the tenant may have by its plan."""

    name = fields.String(required=True, metadata={EXAMPLE: "pro"})
    features = fields.List(Choice(Feature), required=True)
    limits = fields.List(fields.Nested(LimitSchema), required=True)


class MeSchema(Schema):
    """The caller, their tenant, and what they may do in it."""

    id = fields.UUID(required=True)
    issuer = fields.String(required=True, metadata={EXAMPLE: "https://login.trially.ai"})
    subject = fields.String(required=True, metadata={EXAMPLE: "user-4711"})
    display_name = fields.String(
        required=True, allow_none=True, metadata={EXAMPLE: "Noor van den Berg"}
    )
    role = Choice(Role, required=True)
    phi_level = Choice(PhiLevel, required=True)
    site_ids = fields.List(
        fields.UUID(),
        required=True,
        allow_none=True,
        metadata={
            "description": "The sites that the caller is restricted to; null means all sites."
        },
    )
    permissions = fields.List(Choice(Permission), required=True)
    tenant = fields.Nested(TenantSchema, required=True)
    plan = fields.Nested(TenantPlanSchema, required=True)


@bp.get("/me")
@requires(Permission.ME_READ)
@returns(MeSchema())
def show_me() -> dict[str, Any]:
    """Show who the caller is and what they may do.

    A web app asks this first after signing in. `permissions` says which operations are allowed,
    so that the app can hide the others. `tenant` is the one that the token, the header
    `X-Tenant-ID` or the path chose. `plan` says which features the tenant has, and how much of its
    limits it uses.
    """
    identity, tenant = current_identity(), current_tenant()
    return {
        "id": identity.member_id,
        "issuer": app_state().token_verifier.current_name(identity.issuer),
        "subject": identity.subject,
        "display_name": identity.display_name,
        "role": identity.role,
        "phi_level": identity.phi_level,
        "site_ids": None if identity.site_ids is None else sorted(identity.site_ids),
        "permissions": sorted(identity.permissions),
        "tenant": {
            "id": tenant.tenant_id,
            "slug": tenant.slug,
            "name": tenant.name,
            "kind": tenant.kind,
            "time_zone": tenant.time_zone,
        },
        "plan": {
            "name": tenant.plan.name,
            "features": sorted(tenant.plan.features),
            "limits": _limits_of(tenant.plan),
        },
    }


def _limits_of(plan: TenantPlan) -> list[dict[str, Any]]:
    limited = [quota for quota in QUOTAS if plan.most(quota) is not None]
    used = {**(used_quotas(limited) if limited else {}), **_sent_this_minute()}
    return [
        {
            "name": limit,
            "most": plan.most(limit),
            "used": None if plan.most(limit) is None else used.get(limit),
            "most_of_caller": _most_of_caller(limit),
        }
        for limit in Limit
    ]


def _sent_this_minute() -> dict[Limit, int]:
    """Return the requests that were counted in the tenant's limit, with the current one."""
    of_tenant = _standing_of(TENANT)
    if of_tenant is None or of_tenant.used is None:
        return {}
    return {Limit.REQUESTS_PER_MINUTE: of_tenant.used}


def _most_of_caller(limit: Limit) -> int | None:
    if limit is not Limit.REQUESTS_PER_MINUTE:
        return None
    of_caller = _standing_of(MEMBER) or _standing_of(API_KEY)
    return None if of_caller is None else of_caller.most


def _standing_of(kind: str) -> Standing | None:
    return next((each for each in request_state().standings if each.name == kind), None)
