"""Routes of SCIM 2.0 (RFC 7644), with which identity providers provision members.

Modules that need `scim2_models` are imported by the first SCIM request of a process, because that
takes 0.4 s of CPU time. Workers, commands and the OpenAPI document do without.
"""

from http import HTTPStatus
from types import ModuleType
from typing import Any
from uuid import UUID

from flask import Blueprint, Response

from trially.auth.permissions import Permission, requires
from trially.http.contract import (
    accepts_document,
    answers_in,
    may_conflict,
    queries,
    refuses_in,
    returns_nothing,
)
from trially.scim import examples
from trially.scim.schema import ScimQuerySchema, ShownSchema

bp = Blueprint("scim", __name__, url_prefix="/scim/v2")


def _users() -> ModuleType:
    from trially.scim import users

    return users


def _groups() -> ModuleType:
    from trially.scim import groups

    return groups


def _discovery() -> ModuleType:
    from trially.scim import discovery

    return discovery


@bp.get("/ServiceProviderConfig")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@answers_in(examples.CONFIGURATION)
def show_configuration() -> Response:
    """Show what this SCIM server can do.

    PATCH, filters and ETags are supported. Bulk requests, sorting and passwords are not.
    """
    return _answered(_discovery().show_configuration())


@bp.get("/ResourceTypes")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@answers_in(examples.RESOURCE_TYPES)
def list_resource_types() -> Response:
    """List the types of SCIM resources.

    The types are User and Group. Each has a path and a schema.
    """
    return _answered(_discovery().list_resource_types())


@bp.get("/ResourceTypes/<resource_type>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@answers_in(examples.RESOURCE_TYPE)
def show_resource_type(resource_type: str) -> Response:
    """Show a type of SCIM resources.

    It names the path of its list, and its schema.
    """
    return _answered(_discovery().show_resource_type(resource_type))


@bp.get("/Schemas")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@answers_in(examples.SCHEMAS)
def list_schemas() -> Response:
    """List the SCIM schemas of users and groups.

    They have the attributes that are kept. Others that a client sends are ignored.
    """
    return _answered(_discovery().list_schemas())


@bp.get("/Schemas/<scim_schema>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@answers_in(examples.SCHEMA)
def show_schema(scim_schema: str) -> Response:
    """Show the SCIM schema with a URN.

    It has the attributes that are kept. A client may send others, which are ignored.
    """
    return _answered(_discovery().show_schema(scim_schema))


@bp.get("/Users")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@queries(ScimQuerySchema())
@answers_in(examples.USERS)
def list_users(query: dict[str, Any]) -> Response:
    """List the users that the identity provider has sent.

    Filters compare `userName`, `externalId`, `emails.value`, `id` and `active` with `eq`, combined
    by `and` and `or`. Members whom a person has added are not in the list.
    """
    return _answered(_users().list_users(query))


@bp.post("/Users")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@queries(ShownSchema())
@accepts_document(examples.USER_BODY)
@answers_in(examples.USER, status=HTTPStatus.CREATED)
def create_user(query: dict[str, Any]) -> Response:
    """Create a user.

    The user becomes a member by signing in, if a group of the user grants rights. `userName` is
    unique in the tenant, whatever its case, and so is `externalId`: otherwise the answer is 409.
    Active users count as members of the plan.
    """
    return _answered(_users().create_user(query))


@bp.get("/Users/<uuid:scim_user_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@queries(ShownSchema())
@answers_in(examples.USER, has_etag=True)
def show_scim_user(scim_user_id: UUID, query: dict[str, Any]) -> Response:
    """Show a user.

    `active` is false if the identity provider has deactivated the user, or a person has removed the
    member that the user had become.
    """
    return _answered(_users().show_user(scim_user_id, query))


@bp.put("/Users/<uuid:scim_user_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@queries(ShownSchema())
@accepts_document(examples.USER_BODY)
@answers_in(examples.USER)
def replace_user(scim_user_id: UUID, query: dict[str, Any]) -> Response:
    """Replace a user.

    `active: false` removes the member, who is shut out within 5 seconds. The last owner cannot be
    removed: then the answer is 409. `If-Match` may name the version that the client has seen.
    """
    return _answered(_users().replace_user(scim_user_id, query))


@bp.patch("/Users/<uuid:scim_user_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@queries(ShownSchema())
@accepts_document(examples.PATCH_BODY)
@answers_in(examples.USER)
def patch_user(scim_user_id: UUID, query: dict[str, Any]) -> Response:
    """Change a user by operations (RFC 7644, section 3.5.2).

    All of them are applied, or none. What Microsoft Entra ID and Okta send is understood, such as
    operations in capitals, `"False"` for false, and objects without a path. `active: false` removes
    the member.
    """
    return _answered(_users().patch_user(scim_user_id, query))


@bp.delete("/Users/<uuid:scim_user_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@returns_nothing
def delete_user(scim_user_id: UUID) -> None:
    """Delete a user, and remove the member that the user has become.

    The member is shut out within 5 seconds. The last owner cannot be removed.
    """
    _users().delete_user(scim_user_id)


@bp.get("/Groups")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@queries(ScimQuerySchema())
@answers_in(examples.GROUPS)
def list_groups(query: dict[str, Any]) -> Response:
    """List the groups that the identity provider has sent.

    Filters compare `displayName`, `externalId`, `members.value` and `id` with `eq`.
    `excludedAttributes=members` leaves the members out.
    """
    return _answered(_groups().list_groups(query))


@bp.post("/Groups")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@queries(ShownSchema())
@accepts_document(examples.GROUP_BODY)
@answers_in(examples.GROUP, status=HTTPStatus.CREATED)
def create_group(query: dict[str, Any]) -> Response:
    """Create a group.

    It grants nothing until an owner maps it to a role. `displayName` is unique in the tenant.
    """
    return _answered(_groups().create_group(query))


@bp.get("/Groups/<uuid:scim_group_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@queries(ShownSchema())
@answers_in(examples.GROUP, has_etag=True)
def show_scim_group(scim_group_id: UUID, query: dict[str, Any]) -> Response:
    """Show a group.

    Its members are users. Groups are not nested.
    """
    return _answered(_groups().show_group(scim_group_id, query))


@bp.put("/Groups/<uuid:scim_group_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@queries(ShownSchema())
@accepts_document(examples.GROUP_BODY)
@answers_in(examples.GROUP)
def replace_group(scim_group_id: UUID, query: dict[str, Any]) -> Response:
    """Replace a group and its members.

    Users who leave it lose what it has granted. What the group grants stays as the owner mapped it.
    """
    return _answered(_groups().replace_group(scim_group_id, query))


@bp.patch("/Groups/<uuid:scim_group_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@queries(ShownSchema())
@accepts_document(examples.GROUP_PATCH_BODY)
@answers_in(examples.GROUP)
def patch_group(scim_group_id: UUID, query: dict[str, Any]) -> Response:
    """Change a group by operations (RFC 7644, section 3.5.2).

    Members are added by the path `members`, and removed by `members[value eq "…"]`, or by `members`
    with a value, as Microsoft Entra ID does.
    """
    return _answered(_groups().patch_group(scim_group_id, query))


@bp.delete("/Groups/<uuid:scim_group_id>")
@requires(Permission.MEMBERS_PROVISION)
@refuses_in(examples.ERROR)
@may_conflict
@returns_nothing
def delete_group(scim_group_id: UUID) -> None:
    """Delete a group.

    Its users stay, and lose what it has granted.
    """
    _groups().delete_group(scim_group_id)


def _answered(response: Any) -> Response:
    """Return the response of a module that is imported late, with its type."""
    assert isinstance(response, Response)  # noqa: S101
    return response
