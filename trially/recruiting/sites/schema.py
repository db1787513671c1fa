"""Sites as clients write and read them."""

from typing import Any

from marshmallow import Schema, fields, validates_schema

from trially.database.rows import table_of
from trially.http.fields import Choice, EntityTag, PageQuerySchema, Sort
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.value_schemas import CustomFiltersSchema, custom_values
from trially.recruiting.sites.model import SORTS, Site, SiteStatus
from trially.resources.fields import Degrees, check_place, text

columns = table_of(Site).c


class SiteSchema(Schema):
    """A place where patients are seen."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    name = text(columns.name, required=True, example="Heartland Clinic North")
    status = Choice(SiteStatus)
    investigator = text(columns.investigator, allow_none=True, example="Dr. Ines Aguilar")
    city = text(columns.city, allow_none=True, example="Omaha")
    state = text(columns.state, allow_none=True, example="NE")
    postal_code = text(columns.postal_code, allow_none=True, example="68102")
    country = text(columns.country, allow_none=True, example="US")
    latitude = Degrees("latitude", 41.25626)
    longitude = Degrees("longitude", -95.94043)
    custom = custom_values(CustomResource.SITE)
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)

    @validates_schema
    def check_place(self, values: dict[str, Any], **_: Any) -> None:
        """Reject half of a place."""
        check_place(values)


class SiteQuerySchema(PageQuerySchema, CustomFiltersSchema):
    """Query parameters of a list of sites."""

    sort = Sort(SORTS)
    status = Choice(SiteStatus)
