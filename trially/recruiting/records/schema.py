"""Records of a patient as clients read them."""

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.fields import Choice, PageQuerySchema
from trially.phi import CODE, IDENTIFIER, PLAIN, value_set
from trially.recruiting.records.model import ClinicalFact, RecordType
from trially.resources.fields import text

columns = table_of(ClinicalFact).c


class CodingSchema(Schema):
    """A further coding of a record's concept."""

    system = fields.String(dump_only=True, allow_none=True, metadata=value_set("code system"))
    code = fields.String(dump_only=True, metadata=CODE, allow_none=True)
    display = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER)


class RecordSchema(Schema):
    """One coded, dated fact about a patient."""

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    at = fields.AwareDateTime(
        dump_only=True,
        metadata=PLAIN
        | {"description": "When the event happened or, if that is unknown, was recorded."},
    )
    type = fields.String(dump_only=True, metadata=PLAIN)
    code_system = fields.String(dump_only=True, allow_none=True, metadata=value_set("code system"))
    code = fields.String(dump_only=True, allow_none=True, metadata=CODE)
    display = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER)
    other_codings = fields.List(fields.Nested(CodingSchema), dump_only=True, allow_none=True)
    category = fields.String(dump_only=True, allow_none=True, metadata=value_set("category"))
    status = fields.String(dump_only=True, allow_none=True, metadata=value_set("status"))
    clinical_status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("clinical status")
    )
    verification_status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("verification status")
    )
    criticality = fields.String(dump_only=True, allow_none=True, metadata=value_set("criticality"))
    start_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    start_precision = fields.String(dump_only=True, allow_none=True, metadata=PLAIN)
    end_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    end_precision = fields.String(dump_only=True, allow_none=True, metadata=PLAIN)
    recorded_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    value_number = fields.Float(dump_only=True, allow_none=True, metadata=PLAIN)
    value_code_system = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("code system")
    )
    value_code = fields.String(dump_only=True, allow_none=True, metadata=CODE)
    value_text = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER)
    unit = fields.String(dump_only=True, allow_none=True, metadata=value_set("unit"))
    comparator = fields.String(dump_only=True, allow_none=True, metadata=PLAIN)
    parent_code = fields.String(dump_only=True, allow_none=True, metadata=CODE)
    source = fields.String(dump_only=True, metadata=PLAIN)
    source_type = fields.String(dump_only=True, metadata=PLAIN)
    source_id = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER)
    component = fields.Integer(dump_only=True, metadata=PLAIN)
    entered_in_error = fields.Boolean(dump_only=True, metadata=PLAIN)


class RecordQuerySchema(PageQuerySchema):
    """Query parameters of a list of records."""

    type = Choice(RecordType)
    code = text(columns.code)
    entered_in_error = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "`true` lists only records entered in error, `false` all others."},
    )


class EventSchema(Schema):
    """One event in a patient's history."""

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    precision = fields.String(dump_only=True, allow_none=True, metadata=PLAIN)
    until = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    type = fields.String(dump_only=True, metadata=PLAIN)
    code_system = fields.String(dump_only=True, allow_none=True, metadata=value_set("code system"))
    code = fields.String(dump_only=True, allow_none=True, metadata=CODE)
    display = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER)
    status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status of an event")
    )
    value = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {"description": "The value with its unit."},
    )
