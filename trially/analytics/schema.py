"""Shared counts as clients read them."""

import datetime as dt
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from trially.analytics.measures import Measure
from trially.http.fields import EXAMPLE, Choice


class CountSchema(Schema):
    """A number that is shared: the true one is between the two."""

    measure = Choice(Measure, required=True)
    study = fields.String(
        required=True,
        allow_none=True,
        metadata={
            EXAMPLE: "NCT05512345",
            "pattern": "^NCT[0-9]{8}$",
            "description": "Of matches: the study's NCT id.",
        },
    )
    value = fields.String(
        required=True,
        allow_none=True,
        metadata={
            EXAMPLE: "female",
            "description": "A sex, an age in years, a verdict, a phase, or an age of imports. Null"
            " if the measure has none.",
        },
    )
    at_least = fields.Integer(
        required=True,
        metadata={
            EXAMPLE: 121,
            "description": "Of patients: rounded down, in each tenant, to a multiple of the"
            " smallest number that may be shown. 0 stands for a smaller one too.",
        },
    )
    at_most = fields.Integer(required=True, metadata={EXAMPLE: 131})


class DayQuerySchema(Schema):
    """Query parameters of sums."""

    on = fields.Date(
        metadata={
            EXAMPLE: "2026-11-27",
            "description": "The newest counts at the end of this day in UTC. By default today.",
        }
    )

    @validates_schema
    def _not_later_than_today(self, data: dict[str, Any], **_: object) -> None:
        if "on" in data and data["on"] > dt.datetime.now(dt.UTC).date():
            raise ValidationError("The day has not begun yet.", "on")


class SumsSchema(Schema):
    """Sums over the tenants of an organisation."""

    organisation_id = fields.UUID(required=True)
    day = fields.Date(required=True)
    tenants = fields.Integer(
        required=True,
        metadata={
            EXAMPLE: 4,
            "description": "How many tenants are summed up. Those that have left, or are suspended,"
            " are not.",
        },
    )
    oldest_count_at = fields.AwareDateTime(
        required=True,
        allow_none=True,
        metadata={"description": "When the oldest count of a tenant was made. Null without any."},
    )
    sums = fields.List(fields.Nested(CountSchema), required=True)
