"""The route that lists the tenant's members."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import case, func, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB

from trially.auth.members.model import Member, MemberSite
from trially.auth.permissions import Permission, requires
from trially.database.rows import table_of
from trially.http.contract import queries, returns_page
from trially.http.fields import PageQuerySchema
from trially.http.pages import Page
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.state import app_state

bp = Blueprint("members", __name__, url_prefix="/members")


class IssuerField(fields.String):
    """A member's issuer, as its tokens name it."""

    def _serialize(self, value: Any, *_args: Any, **_options: Any) -> str:
        return app_state().token_verifier.current_name(value)


class MemberSchema(Schema):
    """A person or machine that may act in the tenant."""

    id = fields.UUID(dump_only=True)
    issuer = IssuerField(dump_only=True)
    subject = fields.String(dump_only=True)
    display_name = fields.String(dump_only=True, allow_none=True)
    email = fields.String(dump_only=True, allow_none=True)
    role = fields.String(dump_only=True)
    phi_level = fields.String(dump_only=True)
    site_ids = fields.List(
        fields.UUID(),
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "The sites that the member is restricted to; null means all sites."
        },
    )
    created_at = fields.AwareDateTime(dump_only=True)


columns = table_of(Member).c
_sites = table_of(MemberSite).c
_site_ids = (
    select(func.coalesce(func.jsonb_agg(_sites.site_id), literal([], JSONB), type_=JSONB))
    .where(_sites.tenant_id == columns.tenant_id, _sites.member_id == columns.id)
    .correlate(table_of(Member))
    .scalar_subquery()
)

MEMBERS = Resource(
    Member,
    MemberSchema(),
    scope=WHOLE_TENANT,
    computed=[case((columns.has_all_sites, null()), else_=_site_ids).label("site_ids")],
)


@bp.get("")
@requires(Permission.MEMBERS_READ)
@queries(PageQuerySchema())
@returns_page(MemberSchema())
def list_members(query: dict[str, Any]) -> Page:
    """List members, oldest first."""
    return MEMBERS.page(query)
