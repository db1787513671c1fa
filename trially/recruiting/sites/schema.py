"""Sites as clients write and read them."""

from marshmallow import Schema, fields

from trially.http.fields import Choice, PageQuerySchema, Text
from trially.recruiting.sites.model import SiteStatus


class SiteSchema(Schema):
    """A place where patients are seen."""

    id = fields.UUID(dump_only=True)
    name = Text(200, required=True)
    status = Choice(SiteStatus)
    investigator = Text(200, allow_none=True)
    city = Text(100, allow_none=True)
    state = Text(100, allow_none=True)
    postal_code = Text(20, allow_none=True)
    country = Text(100, allow_none=True)
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class SiteQuerySchema(PageQuerySchema):
    """Query parameters of a list of sites."""

    status = Choice(SiteStatus)
