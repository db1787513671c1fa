"""Sites as clients write and read them."""

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.fields import Choice, PageQuerySchema
from trially.recruiting.sites.model import Site, SiteStatus
from trially.resources.fields import text

columns = table_of(Site).c


class SiteSchema(Schema):
    """A place where patients are seen."""

    id = fields.UUID(dump_only=True)
    name = text(columns.name, required=True)
    status = Choice(SiteStatus)
    investigator = text(columns.investigator, allow_none=True)
    city = text(columns.city, allow_none=True)
    state = text(columns.state, allow_none=True)
    postal_code = text(columns.postal_code, allow_none=True)
    country = text(columns.country, allow_none=True)
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class SiteQuerySchema(PageQuerySchema):
    """Query parameters of a list of sites."""

    status = Choice(SiteStatus)
