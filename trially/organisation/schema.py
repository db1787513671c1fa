"""Settings of a tenant as clients read and change them."""

import re
from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy import Column

from trially.database.model import length_of
from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, EntityTag, Text
from trially.organisation.model import TenantSetting
from trially.resources.fields import TimeZone, text

columns = table_of(TenantSetting).c

LONGEST_NAME = 200
LONGEST_ZONE = 64
LOCALE_PATTERN = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"
EMAIL_PATTERN = r"[^@ ]{1,64}@[^@ ]{1,189}"


class Formed(Text):
    """A text of one form, as long as its column."""

    def __init__(self, column: Column[str], pattern: str, **options: Any) -> None:
        metadata = {"pattern": f"^{pattern}$", **options.pop("metadata", {})}
        super().__init__(length_of(column), metadata=metadata, **options)
        self.validators.append(validate.Regexp(re.compile(rf"{pattern}\Z")))


class SettingsSchema(Schema):
    """What the tenant has set of itself."""

    etag = EntityTag()
    name = Text(LONGEST_NAME, example="Heartland Research")
    time_zone = TimeZone(
        LONGEST_ZONE,
        example="America/Chicago",
        metadata={
            "description": "IANA name of the time zone in which the tenant's sources write times"
            " without an offset."
        },
    )
    locale = Formed(
        columns.locale,
        LOCALE_PATTERN,
        allow_none=True,
        example="en-US",
        metadata={"description": "Language of the web app, as a BCP 47 tag."},
    )
    contact_name = text(columns.contact_name, allow_none=True, example="Noor van den Berg")
    contact_email = Formed(
        columns.contact_email,
        EMAIL_PATTERN,
        allow_none=True,
        example="trials@heartland.example.org",
    )
    contact_phone = text(columns.contact_phone, allow_none=True, example="+1 608 555 0117")
    audit_retention_years = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, 100),
        metadata={
            EXAMPLE: 10,
            "description": "Full years for which audit records are kept, if that is longer than"
            " this installation keeps them. Null means as long as the installation says.",
        },
    )
