"""Branding of a tenant as its owners and admins read and change it."""

from typing import Any

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, EntityTag, Text
from trially.organisation.branding.colors import HEX_PATTERN, normal_color
from trially.organisation.branding.domains import FILE_PATH, LONGEST_DOMAIN, normal_domain
from trially.organisation.branding.proofs import Failure
from trially.organisation.model import TenantBranding
from trially.resources.fields import text

columns = table_of(TenantBranding).c


class Color(Text):
    """A colour as `#rrggbb`."""

    def __init__(self, example: str, description: str) -> None:
        super().__init__(
            7,
            allow_none=True,
            example=example,
            metadata={"pattern": HEX_PATTERN, "description": description},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        color = super()._deserialize(value, attr, data, **kwargs)
        try:
            return normal_color(color)
        except ValueError:
            raise self.make_error("form") from None

    default_error_messages = {"form": "Must be a colour such as #0b5d5b."}  # noqa: RUF012


class Domain(Text):
    """The name of a web site, without a scheme or a port."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        name = super()._deserialize(value, attr, data, **kwargs)
        try:
            return normal_domain(name)
        except ValueError:
            raise self.make_error("form") from None

    default_error_messages = {  # noqa: RUF012
        "form": "Must be the public name of a web site, such as trials.heartland.org."
    }


class ContrastWarningSchema(Schema):
    """Two colours between which text is hard to read."""

    pointer = fields.String(required=True, metadata={EXAMPLE: "/accent_color"})
    against = fields.String(required=True, metadata={EXAMPLE: "#ffffff"})
    contrast = fields.Float(required=True, metadata={EXAMPLE: 3.2})
    needed = fields.Float(required=True, metadata={EXAMPLE: 4.5})


class DomainProofSchema(Schema):
    """How the tenant shows that the domain is its own. One of the two ways is enough."""

    record = fields.String(
        required=True,
        metadata={
            EXAMPLE: "_trially.trials.heartland.org",
            "description": "The name of the TXT record that has to hold `text`.",
        },
    )
    path = fields.String(
        required=True,
        metadata={
            EXAMPLE: FILE_PATH,
            "description": "The path below `https://` and the domain that has to answer `text`.",
        },
    )
    text = fields.String(
        required=True, metadata={EXAMPLE: "trially-verification=5f1d0c4b7a8e9f60a1b2c3d4e5f60718"}
    )


class DomainSchema(Schema):
    """The domain of the tenant, and whether it brands anything."""

    is_verified = fields.Boolean(
        required=True, metadata={"description": "The branding is shown under this domain."}
    )
    proof = fields.Nested(DomainProofSchema, required=True)
    checked_at = fields.AwareDateTime(required=True, allow_none=True)
    verified_at = fields.AwareDateTime(required=True, allow_none=True)
    expires_at = fields.AwareDateTime(
        required=True,
        allow_none=True,
        metadata={"description": "The proof must be found again before this time."},
    )
    failure = fields.String(
        required=True,
        allow_none=True,
        metadata={
            EXAMPLE: Failure.NO_PROOF.value,
            "description": "Why the last check failed: "
            + ", ".join(f"`{each}`" for each in Failure)
            + ".",
        },
    )


class BrandingSchema(Schema):
    """How a web app presents itself to the members of the tenant."""

    etag = EntityTag()
    product_name = text(columns.product_name, allow_none=True, example="Heartland Trials")
    primary_color = Color("#0b5d5b", "Background of the header and of buttons.")
    on_primary_color = Color("#ffffff", "Text on `primary_color`.")
    accent_color = Color("#9c3f06", "Links and marks on white.")
    domain = Domain(LONGEST_DOMAIN, allow_none=True, example="trials.heartland.org")
    logo_url = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: "/api/v1/branding/logos/9f86d081884c7d659a2feaa0c55ad015"
            "a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "description": "The public URL of the logo.",
        },
    )
    domain_state = fields.Nested(DomainSchema, dump_only=True, allow_none=True)
    warnings = fields.List(
        fields.Nested(ContrastWarningSchema),
        dump_only=True,
        metadata={"description": "Colours whose contrast is below that of WCAG 2.2 AA."},
    )
