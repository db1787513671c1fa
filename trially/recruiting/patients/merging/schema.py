"""Merges as clients ask for them."""

from marshmallow import Schema, fields

from trially.phi import PLAIN


class MergeSchema(Schema):
    """The record that replaces a patient's."""

    into = fields.UUID(required=True, metadata=PLAIN)
