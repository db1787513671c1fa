"""The route `/me`, which describes the caller."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.http.contract import returns
from trially.state import app_state
from trially.tenancy.context import current_tenant

bp = Blueprint("me", __name__)


class TenantSchema(Schema):
    """The tenant that a token is for."""

    id = fields.UUID(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)


class MeSchema(Schema):
    """The caller, their tenant, and what they may do in it."""

    id = fields.UUID(required=True)
    issuer = fields.String(required=True)
    subject = fields.String(required=True)
    display_name = fields.String(required=True, allow_none=True)
    role = fields.String(required=True)
    phi_level = fields.String(required=True)
    site_ids = fields.List(
        fields.UUID(),
        required=True,
        allow_none=True,
        metadata={
            "description": "The sites that the caller is restricted to; null means all sites."
        },
    )
    permissions = fields.List(fields.String(), required=True)
    tenant = fields.Nested(TenantSchema, required=True)


@bp.get("/me")
@requires(Permission.ME_READ)
@returns(MeSchema())
def show_me() -> dict[str, Any]:
    """Show who the caller is and what they may do."""
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
        },
    }
