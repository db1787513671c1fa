"""Provisioning, as the owner of a tenant sees and sets it."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.administration.members.schema import MOST_SITES
from trially.auth.members.provisioning.model import (
    LinkedBy,
    ProvisioningSetting,
    ScimGroup,
    ScimUser,
)
from trially.auth.roles import PhiLevel, Role
from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema
from trially.resources.fields import text

LEAST_PRIORITY = 1000

_settings, _user, _group = (table_of(each).c for each in (ProvisioningSetting, ScimUser, ScimGroup))


class ProvisioningSchema(Schema):
    """Where provisioned users sign in."""

    etag = EntityTag()
    issuer = text(
        _settings.issuer,
        allow_none=True,
        load_default=None,
        example="https://login.trially.ai",
        metadata={
            "description": "The issuer whose tokens make provisioned users members. Null: no token"
            " does."
        },
    )
    linked_by = Choice(
        LinkedBy,
        metadata={
            EXAMPLE: "email",
            "description": "`email`: the verified address of the token is the user's primary one."
            " `external_id`: the token's `sub` is the user's `externalId`.",
        },
    )


class ScimUserSchema(Schema):
    """A user whom the identity provider has sent."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    user_name = text(_user.user_name, dump_only=True, example="noor@clinic.example")
    external_id = text(_user.external_id, dump_only=True, allow_none=True, example="00u1a2b3")
    display_name = text(
        _user.display_name, dump_only=True, allow_none=True, example="Noor van den Berg"
    )
    email = text(_user.email, dump_only=True, allow_none=True, example="noor@clinic.example")
    is_active = fields.Boolean(dump_only=True)
    member_id = fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "The member whom the user has become, who may have been removed since."
        },
    )
    granted_by = fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "The group that has given the member its rights; null if a person has."
        },
    )
    created_at = fields.AwareDateTime(dump_only=True)


class ScimGroupSchema(Schema):
    """A group that the identity provider has sent, and the rights that it grants."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    display_name = text(_group.display_name, dump_only=True, example="Coordinators")
    external_id = text(_group.external_id, dump_only=True, allow_none=True, example="00g1a2b3")
    role = Choice(
        Role,
        allow_none=True,
        metadata={EXAMPLE: "coordinator", "description": "Null: the group grants nothing."},
    )
    phi_level = Choice(PhiLevel, allow_none=True, metadata={EXAMPLE: "limited"})
    site_ids = fields.List(
        fields.UUID(),
        allow_none=True,
        validate=validate.Length(max=MOST_SITES),
        metadata={
            "description": "The sites that its members are restricted to; null means all sites."
        },
    )
    priority = fields.Integer(
        strict=True,
        validate=validate.Range(1, LEAST_PRIORITY),
        metadata={
            EXAMPLE: 100,
            "description": "Of a user's groups that grant rights, the one with the lowest number"
            " counts, and no other.",
        },
    )
    mapped_by = fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "The member who chose the rights. The group grants nothing new once this"
            " member has lost them: then map it again."
        },
    )
    created_at = fields.AwareDateTime(dump_only=True)

    @validates_schema
    def refuse_rights_without_role(self, body: dict[str, Any], **_: Any) -> None:
        """Refuse rights in a body that removes the role."""
        if (
            "role" in body
            and body["role"] is None
            and (body.get("phi_level") or body.get("site_ids"))
        ):
            raise ValidationError("A group without a role has no PHI level and no sites.", "role")


class ScimPageSchema(PageQuerySchema):
    """Query parameters of lists of provisioned users and groups."""
