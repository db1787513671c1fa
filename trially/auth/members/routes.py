"""The route that lists the tenant's members."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import case, func, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB

from trially.auth.members.model import SORTS, Member, MemberSite
from trially.auth.permissions import Permission, PhiLevel, Role, requires
from trially.database.rows import table_of
from trially.http.contract import queries, returns_page
from trially.http.fields import EXAMPLE, Choice, PageQuerySchema, Sort
from trially.http.pages import Page
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.state import app_state

bp = Blueprint("members", __name__, url_prefix="/members")


class MemberSchema(Schema):
    """A person or machine that may act in the tenant."""

    id = fields.UUID(dump_only=True)
    issuer = fields.String(dump_only=True, metadata={EXAMPLE: "https://login.trially.ai"})
    subject = fields.String(dump_only=True, metadata={EXAMPLE: "user-4711"})
    display_name = fields.String(
        dump_only=True, allow_none=True, metadata={EXAMPLE: "Noor van den Berg"}
    )
    email = fields.String(
        dump_only=True, allow_none=True, metadata={EXAMPLE: "noor@clinic.example"}
    )
    role = Choice(Role, dump_only=True)
    phi_level = Choice(PhiLevel, dump_only=True)
    site_ids = fields.List(
        fields.UUID(),
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "The sites that the member is restricted to; null means all sites."
        },
    )
    created_at = fields.AwareDateTime(dump_only=True)


class MemberQuerySchema(PageQuerySchema):
    """Query parameters of a list of members."""

    sort = Sort(SORTS)


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
    sorts=SORTS,
    computed=[case((columns.has_all_sites, null()), else_=_site_ids).label("site_ids")],
)


@bp.get("")
@requires(Permission.MEMBERS_READ)
@queries(MemberQuerySchema())
@returns_page(MemberSchema())
def list_members(query: dict[str, Any]) -> Page:
    """List members, oldest first.

    Members are people and machines. `role` says what a member may do, `phi_level` how much of a
    patient the member sees, and `site_ids` whose patients.
    """
    page, verifier = MEMBERS.page(query), app_state().token_verifier
    for member in page["data"]:
        member["issuer"] = verifier.current_name(member["issuer"])
    return page
