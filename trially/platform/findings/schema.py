"""Findings of the doctor as operators' panels read them."""

from marshmallow import Schema, fields

from trially.doctor.findings import Level
from trially.http.fields import EXAMPLE, Choice


class FindingSchema(Schema):
    """A problem that the doctor has found."""

    level = Choice(Level, required=True)
    check = fields.String(required=True, metadata={EXAMPLE: "tenants are migrated"})
    where = fields.String(required=True, metadata={EXAMPLE: "default/t_0a1b2c3d4e5f"})
    tenant = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "acme"})
    what = fields.String(required=True, metadata={EXAMPLE: "the tables are at 0033"})
    remedy = fields.String(
        required=True, allow_none=True, metadata={EXAMPLE: "Run `flask tenants migrate acme`."}
    )


class FindingsSchema(Schema):
    """What the doctor has found when it last examined the installation."""

    examined_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "Null if it never did."}
    )
    operation = fields.UUID(required=True, allow_none=True)
    checks = fields.Integer(required=True, metadata={"description": "The number of findings."})
    errors = fields.Integer(required=True)
    warnings = fields.Integer(required=True)
    findings = fields.List(
        fields.Nested(FindingSchema),
        required=True,
        metadata={"description": "Errors and then warnings, at most 500."},
    )
