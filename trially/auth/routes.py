"""The route `/me`, which describes the caller."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, PhiLevel, Role, requires
from trially.http.contract import returns
from trially.http.fields import EXAMPLE, Choice
from trially.state import app_state
from trially.tenancy.catalog import TenantKind
from trially.tenancy.context import current_tenant

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


@bp.get("/me")
@requires(Permission.ME_READ)
@returns(MeSchema())
def show_me() -> dict[str, Any]:
    """Show who the caller is and what they may do.

    A web app asks this first after signing in. `permissions` says which operations are allowed,
    so that the app can hide the others. `tenant` is the one that the token, the header
    `X-Tenant-ID` or the path chose.
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
    }
