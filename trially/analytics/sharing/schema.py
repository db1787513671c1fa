"""With whom a tenant shares counts, as its members read it."""

from marshmallow import Schema, fields

from trially.analytics.schema import CountSchema
from trially.analytics.sharing.consenting import StayState
from trially.http.fields import EXAMPLE, Choice


class SharedWithSchema(Schema):
    """An organisation that has invited the tenant, or that it has joined."""

    subjects = ()

    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={EXAMPLE: "Midwest Research Network"})
    state = Choice(
        StayState,
        required=True,
        metadata={
            "description": "`joining` until a worker has counted the tenant. Only a `joined`"
            " organisation sees anything."
        },
    )
    invited_at = fields.AwareDateTime(required=True)
    joined_at = fields.AwareDateTime(required=True, allow_none=True)


class OwnCountSchema(CountSchema):
    """A number that the tenant shares, exactly as the catalog holds it."""

    counted_at = fields.AwareDateTime(required=True)


class SharingSchema(Schema):
    """With which organisations the tenant shares counts, and what it shares."""

    subjects = ()

    smallest_count = fields.Integer(
        required=True,
        metadata={
            EXAMPLE: 11,
            "description": "The smallest number of patients that is shared. Others are rounded down"
            " to a multiple of it.",
        },
    )
    organisations = fields.List(fields.Nested(SharedWithSchema), required=True)
    counts = fields.List(fields.Nested(OwnCountSchema), required=True)
