"""Servers and placements as operators' panels read them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.http.fields import EXAMPLE, Choice, Flag, JsonObject, PageQuerySchema
from trially.platform.move_options import MoveOptionsSchema
from trially.platform.paths import SLUG_EXAMPLE
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.schema.revisions import Revision

SERVER_EXAMPLE = "default"


class ServerSchema(Schema):
    """A PostgreSQL server that holds tenants, as the catalog knows it."""

    name = fields.String(required=True, metadata={EXAMPLE: SERVER_EXAMPLE})
    state = fields.String(required=True, validate=validate.OneOf(["active", "draining"]))
    region = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "eu"})
    tiers = fields.List(Choice(Tier), required=True)
    capacity = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Null means unlimited."}
    )
    replicas = fields.Integer(required=True, metadata={"description": "Number of read replicas."})
    backup = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "barman:main"})
    tenants = fields.Integer(required=True)
    tenants_by_tier = JsonObject(
        keys=Choice(Tier), values=fields.Integer(), required=True, metadata={EXAMPLE: {}}
    )


class DrainSchema(MoveOptionsSchema):
    """How a server is drained."""

    moves_tenants = Flag(
        load_default=False,
        metadata={"description": "Whether its tenants move to other servers, each in its tier."},
    )


class PlacementSchema(Schema):
    """Where the rows of a tenant are, or are still kept."""

    id = fields.UUID(required=True)
    tenant = fields.String(required=True, metadata={EXAMPLE: SLUG_EXAMPLE})
    tenant_id = fields.UUID(required=True)
    tier = Choice(Tier, required=True)
    server = fields.String(required=True, metadata={EXAMPLE: SERVER_EXAMPLE})
    database = fields.String(required=True, metadata={EXAMPLE: "t_0a1b2c3d4e5f"})
    schema = fields.String(required=True, metadata={EXAMPLE: "tenant"})
    epoch = fields.Integer(required=True)
    is_active = fields.Boolean(required=True, metadata={"description": "The tenant is there now."})
    kept_until = fields.AwareDateTime(
        required=True,
        allow_none=True,
        metadata={"description": "Until when a former placement is kept, to move back."},
    )
    revision = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "0034"})
    revision_state = Choice(Revision, required=True)
    quarantine = fields.String(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: None, "description": "Why its last migration failed."},
    )


class ServerQuerySchema(PageQuerySchema):
    """Query parameters of the list of servers."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)


class PlacementQuerySchema(ServerQuerySchema):
    """Query parameters of the list of placements."""

    tenant = fields.String(validate=validate.Length(3, 40), metadata={EXAMPLE: SLUG_EXAMPLE})
    server = fields.String(validate=validate.Length(1, 40), metadata={EXAMPLE: SERVER_EXAMPLE})
    tier = Choice(Tier)
    is_active = fields.Boolean(truthy={"true"}, falsy={"false"})
    is_quarantined = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        metadata={"description": "Whether the last migration failed."},
    )

    @validates_schema
    def refuse_control_characters(self, query: dict[str, Any], **_: Any) -> None:
        """Refuse a text that PostgreSQL does not take."""
        for name in ("tenant", "server"):
            if "\0" in query.get(name, ""):
                raise ValidationError("Must not contain control characters.", name)
