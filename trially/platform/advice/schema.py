"""Advice where tenants should live, as operators' panels read it."""

from marshmallow import Schema, fields

from trially.advice.rules import Rule
from trially.http.fields import EXAMPLE, Choice
from trially.platform.paths import SLUG_EXAMPLE
from trially.platform.servers.schema import SERVER_EXAMPLE
from trially.tenancy.catalog_choices import Tier

UNKNOWN = "Null means that it is not known."


class HeadroomSchema(Schema):
    """What a server has used, and what is left."""

    tenants = fields.Integer(required=True)
    stored_bytes = fields.Integer(
        required=True, allow_none=True, metadata={EXAMPLE: 34_000_000_000, "description": UNKNOWN}
    )
    free_bytes = fields.Integer(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: None, "description": "PostgreSQL does not tell it. " + UNKNOWN},
    )
    connections = fields.Integer(
        required=True, allow_none=True, metadata={EXAMPLE: 40, "description": UNKNOWN}
    )
    free_connections = fields.Integer(
        required=True, allow_none=True, metadata={EXAMPLE: 57, "description": UNKNOWN}
    )


class ChangedServerSchema(Schema):
    """A server before and after a move, when the former placement has been removed."""

    name = fields.String(required=True, metadata={EXAMPLE: SERVER_EXAMPLE})
    before = fields.Nested(HeadroomSchema, required=True)
    after = fields.Nested(HeadroomSchema, required=True)


class AdvisedMoveSchema(Schema):
    """A move that a rule asks for. Nothing stood against it when it was checked."""

    tenant = fields.String(required=True, metadata={EXAMPLE: SLUG_EXAMPLE})
    tenant_id = fields.UUID(required=True)
    plan = fields.String(required=True, metadata={EXAMPLE: "pro"})
    rule = Choice(Rule, required=True)
    reason = fields.String(
        required=True, metadata={EXAMPLE: "The plan pro does not allow the tier pooled_rows."}
    )
    from_tier = Choice(Tier, required=True)
    from_server = fields.String(required=True, metadata={EXAMPLE: SERVER_EXAMPLE})
    to_tier = Choice(Tier, required=True)
    to_server = fields.String(required=True, metadata={EXAMPLE: SERVER_EXAMPLE})
    command = fields.String(
        required=True, metadata={EXAMPLE: "flask tenants move acme --to-tier own_schema"}
    )
    rows = fields.Integer(required=True)
    copied_bytes = fields.Integer(required=True)
    seconds = fields.Float(
        required=True, metadata={EXAMPLE: 45.0, "description": "Estimated, in all."}
    )
    pause_ms = fields.Float(
        required=True,
        metadata={EXAMPLE: 50.0, "description": "Estimated: how long requests wait."},
    )
    servers = fields.List(fields.Nested(ChangedServerSchema), required=True)


class MoveBlockerSchema(Schema):
    """What stands against a move."""

    code = fields.String(required=True, metadata={EXAMPLE: "quarantined"})
    what = fields.String(required=True, metadata={EXAMPLE: "The last migration failed."})
    advice = fields.String(required=True, metadata={EXAMPLE: "Migrate the tenant."})


class RefusedMoveSchema(Schema):
    """A move that a rule asks for, and that cannot be made now."""

    tenant = fields.String(required=True, metadata={EXAMPLE: SLUG_EXAMPLE})
    rule = Choice(Rule, required=True)
    to_tier = Choice(Tier, required=True)
    to_server = fields.String(required=True, metadata={EXAMPLE: SERVER_EXAMPLE})
    blockers = fields.List(fields.Nested(MoveBlockerSchema), required=True)


class UnplacedSchema(Schema):
    """What a rule asks for, and no move can fulfil."""

    subject = fields.String(
        required=True,
        metadata={EXAMPLE: SLUG_EXAMPLE, "description": "The tenant, or the server."},
    )
    rule = Choice(Rule, required=True)
    reason = fields.String(
        required=True,
        metadata={EXAMPLE: "It used 450 of 500 patients on its last counted day."},
    )
    remedy = fields.String(required=True, metadata={EXAMPLE: "Give it another plan."})


class AdviceSchema(Schema):
    """What was advised last."""

    advised_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "Null if nothing ever was."}
    )
    operation = fields.UUID(required=True, allow_none=True)
    moves = fields.List(
        fields.Nested(AdvisedMoveSchema),
        required=True,
        metadata={"description": "At most 10, the most urgent first."},
    )
    has_more = fields.Boolean(required=True, metadata={"description": "There may be more moves."})
    refused = fields.List(fields.Nested(RefusedMoveSchema), required=True)
    unplaced = fields.List(fields.Nested(UnplacedSchema), required=True)
    missing = fields.List(
        fields.String(),
        required=True,
        metadata={EXAMPLE: [], "description": "What is not known, as sentences."},
    )
