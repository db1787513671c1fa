"""The SCIM resources that trially keeps, as models of `scim2_models`.

Importing `scim2_models` takes 0.4 s of CPU time, so only the answer to a SCIM request imports this
module and the modules that need it. Workers, commands and the OpenAPI document do without.
"""

from typing import Annotated, Any

from scim2_models import (
    URN,
    Email,
    GroupMember,
    GroupMembership,
    Mutability,
    Name,
    Required,
    Resource,
    ScimPolicy,
    Uniqueness,
)

POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
"""Attributes that are not kept are ignored, and what Microsoft Entra ID sends is understood."""


class User(Resource[Any]):
    """A user, with the attributes that trially uses."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """Unique identifier of the user, in upper or lower case."""

    name: Name | None = None
    """The components of the user's name."""

    display_name: str | None = None
    """The name of the user for display."""

    title: str | None = None
    """The user's title."""

    active: bool | None = None
    """Whether the user may be a member."""

    emails: list[Email] | None = None
    """Email addresses. Persons are found by the primary one, or else the first."""

    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None
    """The groups that the user is in."""


class Group(Resource[Any]):
    """A group of users."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The name of the group, unique in upper or lower case."""

    members: list[GroupMember] | None = None
    """The users in the group."""
