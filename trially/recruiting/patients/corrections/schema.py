"""Corrections as clients read them."""

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE
from trially.phi import IDENTIFIER, PLAIN


class CorrectionSchema(Schema):
    """A field that a member corrected. Imports leave it alone until the correction is released."""

    imported = fields.Raw(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER
        | {"description": "What the source says now.", EXAMPLE: "+1 402 555 0100"},
    )
    by = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "user-4711"})
    at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
