"""Records that a full export lacks, as clients read them."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, PageQuerySchema
from trially.phi import IDENTIFIER


class MissingRecordSchema(Schema):
    """A record that a full export lacks."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    source_type = fields.String(dump_only=True, metadata={EXAMPLE: "Observation"})
    base_url = fields.String(
        dump_only=True,
        metadata={
            "description": "The server of the record, empty for the source's own.",
            EXAMPLE: "",
        },
    )
    source_id = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "obs-1"})


class MissingQuerySchema(PageQuerySchema):
    """Filters of a list of missing records."""

    type = fields.String(
        validate=validate.Length(1, 64),
        metadata={"description": "Type of resource.", EXAMPLE: "Observation"},
    )
