"""Routes with which a tenant's owner sets provisioning up."""

from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.members.provisioning.model import ScimGroup, ScimUser
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import (
    accepts_merge_patch,
    matches_versions,
    may_conflict,
    queries,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.scim.provisioning.schema import (
    ProvisioningSchema,
    ScimGroupSchema,
    ScimPageSchema,
    ScimUserSchema,
)
from trially.scim.provisioning.setting_up import change_settings, map_group, read_settings

bp = Blueprint("provisioning", __name__, url_prefix="/provisioning")

USERS = Resource(ScimUser, ScimUserSchema(), scope=WHOLE_TENANT)
GROUPS = Resource(ScimGroup, ScimGroupSchema(), scope=WHOLE_TENANT)


@bp.get("")
@requires(Permission.MEMBERS_READ)
@returns_version(ProvisioningSchema())
def show_provisioning() -> Item:
    """Show where provisioned users sign in.

    Without an issuer, users and groups are stored, and no user becomes a member.
    """
    return read_settings()


@bp.patch("")
@requires(Permission.PROVISIONING_WRITE)
@matches_versions
@accepts_merge_patch(ProvisioningSchema(partial=True))
@returns_version(ProvisioningSchema())
def change_provisioning(versions: Versions | None, body: dict[str, Any]) -> Item:
    """Choose where provisioned users sign in, and how they are recognised.

    The issuer must be trusted for this tenant, and its tokens must name the tenant. Members stay as
    they are.
    """
    return change_settings(versions, body)


@bp.get("/users")
@requires(Permission.MEMBERS_READ)
@queries(ScimPageSchema())
@returns_page(ScimUserSchema())
def list_provisioned_users(query: dict[str, Any]) -> Page:
    """List the users whom the identity provider has sent, oldest first.

    `member_id` is null until the user has signed in.
    """
    return USERS.page(query)


@bp.get("/users/<uuid:scim_user_id>")
@requires(Permission.MEMBERS_READ)
@returns_version(ScimUserSchema())
def show_provisioned_user(scim_user_id: UUID) -> Item:
    """Show a user whom the identity provider has sent.

    The identity provider changes it by SCIM.
    """
    return USERS.get(scim_user_id)


@bp.get("/groups")
@requires(Permission.MEMBERS_READ)
@queries(ScimPageSchema())
@returns_page(ScimGroupSchema())
def list_provisioned_groups(query: dict[str, Any]) -> Page:
    """List the groups that the identity provider has sent, and what they grant, oldest first.

    A group without `role` grants nothing to its users.
    """
    return GROUPS.page(query)


@bp.get("/groups/<uuid:scim_group_id>")
@requires(Permission.MEMBERS_READ)
@returns_version(ScimGroupSchema())
def show_provisioned_group(scim_group_id: UUID) -> Item:
    """Show a group that the identity provider has sent, and what it grants.

    A group without `role` grants nothing to its users.
    """
    return GROUPS.get(scim_group_id)


@bp.patch("/groups/<uuid:scim_group_id>")
@requires(Permission.PROVISIONING_WRITE)
@matches_versions
@may_conflict
@accepts_merge_patch(ScimGroupSchema(partial=True))
@returns_version(ScimGroupSchema())
def map_provisioned_group(
    scim_group_id: UUID, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Choose what a group grants: a role, a PHI level and sites.

    The body is a merge patch (RFC 7396). A new role has its usual PHI level and all sites, unless
    the body says otherwise. Members whom the group has made change at once. Of several groups of a
    user, the one with the lowest `priority` counts. A caller cannot grant more than the caller has.
    """
    return map_group(GROUPS, scim_group_id, versions, body)
