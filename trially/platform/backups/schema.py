"""Archives of tenants as operators' panels read and order them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.http.fields import EXAMPLE, PageQuerySchema, Text
from trially.platform.paths import SLUG_EXAMPLE

MOST_SLUGS = 1000


class ArchiveSchema(Schema):
    """An encrypted archive of a tenant, as it was at one moment."""

    id = fields.UUID(required=True)
    tenant = fields.String(
        required=True,
        metadata={EXAMPLE: SLUG_EXAMPLE, "description": "The slug at the time."},
    )
    tenant_id = fields.UUID(required=True)
    snapshot_at = fields.AwareDateTime(required=True)
    revision = fields.String(required=True, metadata={EXAMPLE: "0034"})
    key_version = fields.Integer(required=True)
    rows = fields.Integer(required=True, metadata={EXAMPLE: 48_120})
    size = fields.Integer(required=True, metadata={EXAMPLE: 7_340_032, "description": "Bytes."})
    sha256 = fields.String(required=True, metadata={EXAMPLE: "9f86d081884c7d65"})
    seconds = fields.Float(required=True)
    verified_at = fields.AwareDateTime(
        required=True,
        allow_none=True,
        metadata={"description": "When it was last restored and compared."},
    )
    verification = fields.String(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: None, "description": "What was wrong then; null if nothing was."},
    )


class NewBackupSchema(Schema):
    """Which tenants to back up."""

    tenants = fields.List(
        Text(40, shortest=3, example=SLUG_EXAMPLE),
        load_default=list,
        validate=validate.Length(0, MOST_SLUGS),
        metadata={EXAMPLE: [SLUG_EXAMPLE], "description": "Slugs. An empty list means all."},
    )
    unless_newer_hours = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, 8760),
        metadata={"description": "With all: leave out tenants with an archive of these hours."},
    )

    @validates_schema
    def refuse_unused(self, backup: dict[str, Any], **_: Any) -> None:
        """Refuse an option that has no effect."""
        if backup["tenants"] and backup["unless_newer_hours"] is not None:
            raise ValidationError("Has an effect for all tenants only.", "unless_newer_hours")


class ArchiveQuerySchema(PageQuerySchema):
    """Query parameters of the list of archives."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)

    tenant = fields.String(
        validate=validate.Regexp(r"[a-z0-9-]{3,40}\Z", error="Must be a slug or an id."),
        metadata={EXAMPLE: SLUG_EXAMPLE, "pattern": "^[a-z0-9-]{3,40}$"},
    )
