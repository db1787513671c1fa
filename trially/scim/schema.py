"""Query parameters of the SCIM routes: RFC 7644, section 3.4.2."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE

DEFAULT_COUNT = 100
MOST_COUNT = 200
MOST_INDEX = 1_000_000
LONGEST_FILTER = 1000
LONGEST_ATTRIBUTES = 500


class ShownSchema(Schema):
    """Which attributes an answer shows."""

    attributes = fields.String(
        validate=validate.Length(max=LONGEST_ATTRIBUTES),
        metadata={
            EXAMPLE: "userName,active",
            "description": "The attributes to show, with commas between them.",
        },
    )
    excluded_attributes = fields.String(
        data_key="excludedAttributes",
        validate=validate.Length(max=LONGEST_ATTRIBUTES),
        metadata={
            EXAMPLE: "members",
            "description": "The attributes to leave out, with commas between them.",
        },
    )


class ScimQuerySchema(ShownSchema):
    """Query parameters of a list."""

    filter = fields.String(
        validate=validate.Length(max=LONGEST_FILTER),
        metadata={
            EXAMPLE: 'externalId eq "00u1a2b3"',
            "description": "Comparisons with `eq`, combined with `and`, `or` and parentheses.",
        },
    )
    start_index = fields.Integer(
        data_key="startIndex",
        load_default=1,
        validate=validate.Range(max=MOST_INDEX),
        metadata={"description": "The number of the first resource, from 1."},
    )
    count = fields.Integer(
        load_default=DEFAULT_COUNT,
        metadata={"description": f"How many resources to show: at most {MOST_COUNT}."},
    )
    sort_by = fields.String(
        data_key="sortBy",
        metadata={EXAMPLE: "userName", "description": "Ignored: lists are in the order of ids."},
    )
    sort_order = fields.String(
        data_key="sortOrder",
        metadata={EXAMPLE: "ascending", "description": "Ignored."},
    )
