"""Tenants as operators' panels read and change them."""

import datetime as dt
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.database.model import length_of
from trially.http.fields import (
    EXAMPLE,
    Choice,
    EntityTag,
    Flag,
    JsonObject,
    Moment,
    PageQuerySchema,
    Text,
)
from trially.platform.move_options import MoveOptionsSchema
from trially.platform.paths import SLUG_EXAMPLE
from trially.resources.fields import TimeZone
from trially.slugs import SLUG_PATTERN
from trially.tenancy.catalog import MembershipIndex, Tenant
from trially.tenancy.catalog_choices import TenantKind, TenantStatus, Tier
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import LARGEST, Limit
from trially.tenancy.entitlements.model import PlanOverride
from trially.tenancy.names import RESERVED_SLUGS

PLAN_EXAMPLE, REGION_EXAMPLE, SERVER_EXAMPLE = "pro", "eu", "default"

LONGEST_PERIOD_DAYS = 365


def plan_name(**options: Any) -> Text:
    """Return a field for the name of a plan."""
    return Text(length_of(Tenant.plan), example=PLAN_EXAMPLE, **options)


class Slug(fields.String):
    """The slug of a new tenant."""

    def __init__(self) -> None:
        super().__init__(
            required=True,
            validate=[
                validate.Regexp(
                    rf"{SLUG_PATTERN}\Z",
                    error="Must have 3 to 40 lower-case letters, digits and hyphens, begin with a"
                    " letter, and not end with a hyphen.",
                ),
                validate.NoneOf(RESERVED_SLUGS, error="Is reserved."),
            ],
            metadata={EXAMPLE: SLUG_EXAMPLE, "pattern": f"^{SLUG_PATTERN}$"},
        )


def refuse_past(moment: dt.datetime) -> None:
    """Raise `ValidationError` for a moment that is over."""
    if moment <= dt.datetime.now(dt.UTC):
        raise ValidationError("Must not be in the past.")


class OverrideSchema(Schema):
    """An exception of one tenant from its plan: of a limit, or of a feature."""

    most = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, LARGEST),
        metadata={EXAMPLE: 1000, "description": "Of a limit; null means unlimited."},
    )
    is_on = Flag(metadata={EXAMPLE: True, "description": "Of a feature."})
    reason = Text(length_of(PlanOverride.reason), required=True, example="Pilot until March")
    until = Moment(
        load_default=None,
        allow_none=True,
        validate=refuse_past,
        metadata={"description": "When the exception ends; null means never."},
    )


def refuse_mixed(overrides: dict[str, Any]) -> None:
    """Raise `ValidationError` for a limit that is on or off, and a feature with a number."""
    faults = {
        name: [fault]
        for name, override in overrides.items()
        if override is not None and (fault := _fault_of(name, override))
    }
    if faults:
        raise ValidationError(faults)


def _fault_of(name: str, override: dict[str, Any]) -> str | None:
    is_feature = name in set(Feature)
    if ("is_on" in override) is not is_feature or ("most" in override) is is_feature:
        return f"Must have {'is_on' if is_feature else 'most'} and not the other one."
    return None


def overrides_field(**options: Any) -> JsonObject:
    """Return a field for exceptions from a plan. Null removes one."""
    names = sorted([*map(str, Limit), *map(str, Feature)])
    return JsonObject(
        validate=refuse_mixed,
        keys=fields.String(validate=validate.OneOf(names)),
        values=fields.Nested(OverrideSchema, allow_none=True),
        metadata={
            EXAMPLE: {"patients": {"most": 1000, "reason": "Pilot until March", "until": None}},
            "description": "Exceptions from the plan, by the name of the limit or feature.",
        },
        **options,
    )


class LimitUseSchema(Schema):
    """One limit of a tenant."""

    name = Choice(Limit, required=True)
    most = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Null means unlimited."}
    )


class ShownOverrideSchema(Schema):
    """An exception of a tenant from its plan, as it is shown."""

    name = fields.String(required=True, metadata={EXAMPLE: "patients"})
    value = fields.Raw(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: 1000, "description": "The limit, or whether the feature is on."},
    )
    reason = fields.String(required=True, metadata={EXAMPLE: "Pilot until March"})
    until = fields.AwareDateTime(required=True, allow_none=True)


class ListedTenantSchema(Schema):
    """A tenant in a list."""

    id = fields.UUID(required=True)
    slug = fields.String(required=True, metadata={EXAMPLE: SLUG_EXAMPLE})
    name = fields.String(required=True, metadata={EXAMPLE: "Acme Research"})
    kind = Choice(TenantKind, required=True)
    status = Choice(TenantStatus, required=True)
    plan = fields.String(required=True, metadata={EXAMPLE: PLAN_EXAMPLE})
    region = fields.String(required=True, allow_none=True, metadata={EXAMPLE: REGION_EXAMPLE})
    time_zone = fields.String(required=True, metadata={EXAMPLE: "America/Chicago"})
    tier = Choice(Tier, required=True)
    server = fields.String(required=True, metadata={EXAMPLE: SERVER_EXAMPLE})
    erase_after = fields.AwareDateTime(required=True, allow_none=True)
    legal_hold = fields.String(required=True, allow_none=True, metadata={EXAMPLE: None})
    created_at = fields.AwareDateTime(required=True)


class TenantDetailSchema(ListedTenantSchema):
    """A tenant with what it may have."""

    members = fields.Integer(required=True, metadata={"description": "The number of members."})
    features = fields.List(Choice(Feature), required=True)
    limits = fields.List(fields.Nested(LimitUseSchema), required=True)
    overrides = fields.List(fields.Nested(ShownOverrideSchema), required=True)
    etag = EntityTag()


class NewTenantSchema(Schema):
    """A tenant to create."""

    slug = Slug()
    name = Text(length_of(Tenant.name), required=True, example="Acme Research")
    kind = Choice(TenantKind, load_default=TenantKind.SITE)
    plan = plan_name(load_default=None, allow_none=True)
    region = Text(
        length_of(Tenant.region), load_default=None, allow_none=True, example=REGION_EXAMPLE
    )
    time_zone = TimeZone(
        length_of(Tenant.time_zone), load_default=None, allow_none=True, example="America/Chicago"
    )
    tier = Choice(Tier, load_default=None, allow_none=True)
    server = Text(40, load_default=None, allow_none=True, example=SERVER_EXAMPLE)
    owner = Text(
        length_of(MembershipIndex.subject),
        load_default=None,
        allow_none=True,
        example="auth0|123",
        metadata={"description": "The first member, as in the claim `sub` of its tokens."},
    )
    owner_issuer = Text(
        length_of(MembershipIndex.issuer),
        load_default=None,
        allow_none=True,
        example="https://login.acme.example",
        metadata={"description": "The issuer of `owner`; by default the first trusted one."},
    )


class TenantChangeSchema(Schema):
    """What is to change of a tenant. What is missing stays as it is."""

    name = Text(length_of(Tenant.name), example="Acme Research")
    plan = plan_name()
    overrides = overrides_field()


class MoveSchema(MoveOptionsSchema):
    """Where a tenant is to move, and how."""

    tier = Choice(Tier, load_default=None, allow_none=True)
    server = Text(40, load_default=None, allow_none=True, example=SERVER_EXAMPLE)

    @validates_schema
    def refuse_nothing(self, move: dict[str, Any], **_: Any) -> None:
        """Refuse a move that names no target."""
        if move["tier"] is None and move["server"] is None:
            raise ValidationError("Name a tier, a server, or both.")


class DeleteRequestSchema(Schema):
    """The order to erase a tenant."""

    after_days = fields.Integer(
        strict=True,
        load_default=30,
        validate=validate.Range(1, LONGEST_PERIOD_DAYS),
        metadata={"description": "The period in which the tenant can be brought back."},
    )
    reason = Text(500, required=True, example="The contract has ended")


class TenantQuerySchema(PageQuerySchema):
    """Query parameters of the list of tenants."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)

    status = Choice(TenantStatus)
    kind = Choice(TenantKind)
    tier = Choice(Tier)
    server = fields.String(validate=validate.Length(1, 40), metadata={EXAMPLE: SERVER_EXAMPLE})
    plan = fields.String(validate=validate.Length(1, 40), metadata={EXAMPLE: PLAN_EXAMPLE})
    region = fields.String(validate=validate.Length(1, 40), metadata={EXAMPLE: REGION_EXAMPLE})
    text = fields.String(
        validate=validate.Length(1, 100),
        metadata={EXAMPLE: "clinic", "description": "A part of the slug or of the name."},
    )
