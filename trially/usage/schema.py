"""Usage as clients read it."""

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.http.fields import EXAMPLE, Choice
from trially.usage.meters import Meter, Quality, Rule


class UsageQuerySchema(Schema):
    """Query parameters of the usage."""

    month = fields.String(
        validate=validate.Regexp(
            r"20[0-9]{2}-(0[1-9]|1[0-2])\Z", error="Must be a year and a month: 2026-11."
        ),
        metadata={
            "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$",
            EXAMPLE: "2026-11",
            "description": "By default the present month in the tenant's time zone.",
        },
    )
    day = fields.Date(metadata={EXAMPLE: "2026-11-26", "description": "A single day instead."})

    @validates_schema
    def _one_period(self, data: dict[str, object], **_: object) -> None:
        if "month" in data and "day" in data:
            raise ValidationError("Name a month or a day, not both.", "day")


class UsageDaySchema(Schema):
    """What was counted on one day."""

    day = fields.Date(required=True)
    quantity = fields.Integer(required=True, metadata={EXAMPLE: 412})
    included = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            EXAMPLE: 500,
            "description": "What the plan allowed. Null if it does not limit it.",
        },
    )
    quality = Choice(
        Quality,
        required=True,
        metadata={
            "description": "`exact`, or counted later: `late` is complete, `estimated` may lack"
            " what was deleted meanwhile. Requests are `sampled`."
        },
    )
    counted_at = fields.AwareDateTime(required=True)


class MeterUsageSchema(Schema):
    """What was counted of one meter."""

    meter = Choice(Meter, required=True)
    unit = fields.String(required=True, metadata={EXAMPLE: "patients"})
    rule = Choice(
        Rule,
        required=True,
        metadata={"description": "Whether `quantity` is the highest day, or the sum of all."},
    )
    quantity = fields.Integer(required=True, metadata={EXAMPLE: 412})
    included = fields.Integer(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: 500, "description": "What the plan allowed on the last day."},
    )
    overage = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            EXAMPLE: 0,
            "description": "By how much a day exceeded what was included, at most. Null if"
            " the plan did not limit it.",
        },
    )
    unit_days = fields.Integer(
        required=True, metadata={EXAMPLE: 10_712, "description": "The sum of all days."}
    )
    days = fields.List(fields.Nested(UsageDaySchema), required=True)


class UsageSchema(Schema):
    """What was counted in a period."""

    subjects = ()

    first = fields.Date(required=True)
    last = fields.Date(required=True)
    time_zone = fields.String(required=True, metadata={EXAMPLE: "America/Chicago"})
    plan = fields.String(required=True, metadata={EXAMPLE: "pro"})
    meters = fields.List(fields.Nested(MeterUsageSchema), required=True)
