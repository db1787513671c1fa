"""Records of a patient as clients read them."""

from marshmallow import Schema, fields

from trially.http.fields import Choice, PageQuerySchema, Text
from trially.recruiting.records.model import RecordType


class RecordSchema(Schema):
    """One coded, dated fact about a patient."""

    id = fields.UUID(dump_only=True)
    at = fields.AwareDateTime(
        dump_only=True,
        metadata={"description": "When it happened or, where that is not known, was recorded."},
    )
    type = fields.String(dump_only=True)
    code_system = fields.String(dump_only=True, allow_none=True)
    code = fields.String(dump_only=True, allow_none=True)
    display = fields.String(dump_only=True, allow_none=True)
    other_codings = fields.List(fields.Dict(), dump_only=True, allow_none=True)
    category = fields.String(dump_only=True, allow_none=True)
    status = fields.String(dump_only=True, allow_none=True)
    clinical_status = fields.String(dump_only=True, allow_none=True)
    verification_status = fields.String(dump_only=True, allow_none=True)
    criticality = fields.String(dump_only=True, allow_none=True)
    start_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    start_precision = fields.String(dump_only=True, allow_none=True)
    end_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    end_precision = fields.String(dump_only=True, allow_none=True)
    recorded_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    value_number = fields.Float(dump_only=True, allow_none=True)
    value_code_system = fields.String(dump_only=True, allow_none=True)
    value_code = fields.String(dump_only=True, allow_none=True)
    value_text = fields.String(dump_only=True, allow_none=True)
    unit = fields.String(dump_only=True, allow_none=True)
    comparator = fields.String(dump_only=True, allow_none=True)
    parent_code = fields.String(dump_only=True, allow_none=True)
    source = fields.String(dump_only=True)
    source_type = fields.String(dump_only=True)
    source_id = fields.String(dump_only=True)
    component = fields.Integer(dump_only=True)
    entered_in_error = fields.Boolean(dump_only=True)


class RecordQuerySchema(PageQuerySchema):
    """What a patient's records can be narrowed to."""

    type = Choice(RecordType)
    code = Text(128)
    entered_in_error = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "Show what was entered in error, and only that."},
    )


class EventSchema(Schema):
    """One thing that happened to a patient, in a line."""

    id = fields.UUID(dump_only=True)
    at = fields.AwareDateTime(dump_only=True)
    precision = fields.String(dump_only=True, allow_none=True)
    until = fields.AwareDateTime(dump_only=True, allow_none=True)
    type = fields.String(dump_only=True)
    code = fields.String(dump_only=True, allow_none=True)
    display = fields.String(dump_only=True, allow_none=True)
    status = fields.String(dump_only=True, allow_none=True)
    value = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={"description": "With its unit, if it has one."},
    )
