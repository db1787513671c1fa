"""Plans as operators' panels read and change them."""

from typing import Any

from marshmallow import Schema, fields, validate

from trially.database.model import length_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, JsonObject, PageQuerySchema, Text
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import LARGEST, Limit
from trially.tenancy.entitlements.model import Plan
from trially.tenancy.lifecycle.plans.managing import ALL
from trially.tenancy.tiers import TIERS

OFFERED = tuple(str(tier) for tier, kind in TIERS.items() if kind.is_offered_by_plans)


def _limits(**options: Any) -> JsonObject:
    return JsonObject(
        keys=Choice(Limit),
        values=fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, LARGEST)),
        metadata={
            EXAMPLE: {"patients": 1000},
            "description": "Numbers by the name of the limit; null means unlimited.",
        },
        **options,
    )


class PlanSchema(Schema):
    """A plan."""

    name = fields.String(required=True, metadata={EXAMPLE: "pro"})
    description = fields.String(required=True, metadata={EXAMPLE: "For sites and sponsors."})
    tenants = fields.Integer(required=True, metadata={"description": "How many have it."})
    tiers = fields.List(
        fields.String(validate=validate.OneOf([*map(str, Tier), ALL])),
        required=True,
        metadata={
            EXAMPLE: list(OFFERED[:1]),
            "description": "The tiers of its tenants; the first is that of new ones.",
        },
    )
    features = fields.List(
        fields.String(validate=validate.OneOf([*map(str, Feature), ALL])),
        required=True,
        metadata={EXAMPLE: ["exports"]},
    )
    limits = _limits(required=True)
    etag = EntityTag()


class PlanChangeSchema(Schema):
    """What is to change of a plan. What is missing stays as it is."""

    description = Text(length_of(Plan.description), example="For sites and sponsors.")
    tiers = fields.List(
        fields.String(validate=validate.OneOf(OFFERED)),
        validate=validate.Length(0, len(OFFERED)),
        metadata={
            EXAMPLE: list(OFFERED[:1]),
            "description": "The first one is that of new tenants. An empty list allows all.",
        },
    )
    features = JsonObject(
        keys=fields.String(validate=validate.OneOf([*map(str, Feature), ALL])),
        values=fields.Boolean(truthy={True}, falsy={False}),
        metadata={
            EXAMPLE: {"exports": True},
            "description": f"Whether each is part of the plan. `{ALL}` stands for all features.",
        },
    )
    limits = _limits()


class NewPlanSchema(PlanChangeSchema):
    """A plan to create: without limits and features, unless it is like another one."""

    name = Text(length_of(Plan.name), required=True, example="clinic")
    like = Text(length_of(Plan.name), example="pro", metadata={"description": "A plan to copy."})


class PlanQuerySchema(PageQuerySchema):
    """Query parameters of the list of plans."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)
