"""What tenants have used in a month, as operators' panels read it."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.platform.paths import SLUG_EXAMPLE
from trially.usage.meters import Meter, Rule


class MeterSchema(Schema):
    """What was counted of one meter in a month."""

    meter = Choice(Meter, required=True)
    unit = fields.String(required=True, metadata={EXAMPLE: "patients"})
    rule = Choice(Rule, required=True)
    quantity = fields.Integer(required=True, metadata={EXAMPLE: 412})
    included = fields.Integer(required=True, allow_none=True, metadata={EXAMPLE: 500})
    overage = fields.Integer(required=True, allow_none=True, metadata={EXAMPLE: 0})
    unit_days = fields.Integer(required=True, metadata={EXAMPLE: 10_712})
    days = fields.Integer(required=True, metadata={EXAMPLE: 26})
    late_days = fields.Integer(required=True, metadata={EXAMPLE: 0})
    estimated_days = fields.Integer(required=True, metadata={EXAMPLE: 0})


class TenantUsageSchema(Schema):
    """What one tenant has used in a month."""

    tenant_id = fields.UUID(required=True)
    tenant = fields.String(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: SLUG_EXAMPLE, "description": "Null for an erased tenant."},
    )
    meters = fields.List(fields.Nested(MeterSchema), required=True)
    missing_days = fields.Integer(
        required=True, metadata={"description": "Days that have ended and are not counted yet."}
    )


class PlatformUsageQuerySchema(PageQuerySchema):
    """Query parameters of the usage."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)

    month = fields.String(
        required=True,
        validate=validate.Regexp(
            r"20[0-9]{2}-(0[1-9]|1[0-2])\Z", error="Must be a year and a month: 2026-11."
        ),
        metadata={"pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$", EXAMPLE: "2026-11"},
    )
    tenant = fields.String(
        validate=validate.Regexp(r"[a-z0-9-]{3,40}\Z", error="Must be a slug or an id."),
        metadata={
            EXAMPLE: SLUG_EXAMPLE,
            "pattern": "^[a-z0-9-]{3,40}$",
            "description": "One tenant, by its slug or id; an erased one by its id.",
        },
    )
