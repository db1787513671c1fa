"""Routes of the tenant's members."""

from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import case, func, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB

from trially.administration.members.changing import change_rights, remove
from trially.administration.members.schema import MemberQuerySchema, MemberSchema
from trially.auth.members.model import SORTS, Member, MemberSite
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts_merge_patch,
    matches_versions,
    may_conflict,
    queries,
    returns_nothing,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.state import app_state

bp = Blueprint("members", __name__, url_prefix="/members")

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
    page = MEMBERS.page(query)
    for member in page["data"]:
        _name_issuer(member)
    return page


@bp.get("/<uuid:member_id>")
@requires(Permission.MEMBERS_READ)
@returns_version(MemberSchema())
def show_member(member_id: UUID) -> Item:
    """Show a member.

    The `ETag` is the member's version, and `etag` repeats it in the body.
    """
    return _find(member_id)


@bp.patch("/<uuid:member_id>")
@requires(Permission.MEMBERS_WRITE)
@matches_versions
@may_conflict
@accepts_merge_patch(MemberSchema(partial=True))
@returns_version(MemberSchema())
def change_member(member_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change a member's role, PHI level, sites, name or email address.

    The body is a merge patch (RFC 7396). Another role does not change the PHI level. A caller
    cannot grant more than the caller has, and cannot change a member who has more. The last owner
    who can sign in stays an owner: otherwise the answer is 409. Every process applies the change
    within 5 seconds.
    """
    change_rights(MEMBERS, member_id, versions, body)
    return _find(member_id)


@bp.delete("/<uuid:member_id>")
@requires(Permission.MEMBERS_WRITE)
@matches_versions
@may_conflict
@returns_nothing
def delete_member(member_id: UUID, versions: Versions | None) -> None:
    """Remove a member from the tenant.

    The member is shut out within 5 seconds, and leaves the teams of studies. A caller cannot remove
    a member who has more rights. The last owner who can sign in cannot be removed: then the answer
    is 409.
    """
    remove(MEMBERS, member_id, versions)


def _find(member_id: UUID) -> Item:
    """Return a member with the sites that the member is restricted to, or answer 404."""
    found = MEMBERS.pick([member_id]).get(member_id)
    if found is None:
        raise MEMBERS.not_found()
    return _name_issuer(found)


def _name_issuer(member: Item) -> Item:
    """Show the issuer as its tokens do."""
    member["issuer"] = app_state().token_verifier.current_name(member["issuer"])
    return member
