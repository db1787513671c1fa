"""Records that wait, as clients read them."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, PageQuerySchema
from trially.phi import IDENTIFIER


class WaitingFactSchema(Schema):
    """A record that waits for its patient."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    source = fields.String(dump_only=True, metadata={EXAMPLE: "epic"})
    source_type = fields.String(dump_only=True, metadata={EXAMPLE: "Observation"})
    source_id = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "obs-1"})
    patient_key = fields.String(
        dump_only=True,
        metadata=IDENTIFIER
        | {
            "description": "The source's id of the patient, or `?`, the system, `|` and the value"
            " of an identifier.",
            EXAMPLE: "17",
        },
    )
    import_id = fields.UUID(dump_only=True)
    file = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "upload"})
    line = fields.Integer(dump_only=True, metadata={EXAMPLE: 7})
    waiting_since = fields.AwareDateTime(dump_only=True)


class WaitingQuerySchema(PageQuerySchema):
    """Filters of a list of records that wait."""

    source = fields.String(validate=validate.Length(1, 64), metadata={EXAMPLE: "epic"})
