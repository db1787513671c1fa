"""Branding as everybody may read it."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, EntityTag
from trially.organisation.branding.domains import LONGEST_DOMAIN


class PublicBrandingSchema(Schema):
    """How a web app presents itself."""

    etag = EntityTag()
    product_name = fields.String(dump_only=True, metadata={EXAMPLE: "Heartland Trials"})
    primary_color = fields.String(
        dump_only=True,
        metadata={EXAMPLE: "#0b5d5b", "description": "Background of the header and of buttons."},
    )
    on_primary_color = fields.String(
        dump_only=True, metadata={EXAMPLE: "#ffffff", "description": "Text on `primary_color`."}
    )
    accent_color = fields.String(
        dump_only=True,
        metadata={EXAMPLE: "#9c3f06", "description": "Links and marks on white."},
    )
    locale = fields.String(
        dump_only=True, metadata={EXAMPLE: "en-US", "description": "A BCP 47 tag."}
    )
    logo_url = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: "/api/v1/branding/logos/9f86d081884c7d659a2feaa0c55ad015"
            "a3bf4f1b2b0b822cd15d6c15b0f00a08"
        },
    )


class BrandingQuerySchema(Schema):
    """Whose branding is asked for."""

    domain = fields.String(
        validate=validate.Length(1, LONGEST_DOMAIN), metadata={EXAMPLE: "trials.heartland.org"}
    )
    slug = fields.String(validate=validate.Length(1, 40), metadata={EXAMPLE: "heartland"})
