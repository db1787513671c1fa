"""Records of a patient as clients read them."""

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.phi import CODE, IDENTIFIER, PLAIN, value_set
from trially.recruiting.records.model import ClinicalFact, Comparator, DatePrecision, RecordType
from trially.resources.fields import text

columns = table_of(ClinicalFact).c


class CodingSchema(Schema):
    """A further coding of a record's concept."""

    system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://snomed.info/sct"},
    )
    code = fields.String(dump_only=True, metadata=CODE | {EXAMPLE: "44054006"}, allow_none=True)
    display = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: "Diabetes mellitus type 2 (disorder)"},
    )


class RecordSchema(Schema):
    """One coded, dated fact about a patient."""

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    at = fields.AwareDateTime(
        dump_only=True,
        metadata=PLAIN
        | {"description": "When the event happened or, if that is unknown, was recorded."},
    )
    type = Choice(RecordType, dump_only=True, metadata=PLAIN)
    code_system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://snomed.info/sct"},
    )
    code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: "44054006"})
    display = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: "Diabetes mellitus type 2 (disorder)"},
    )
    other_codings = fields.List(fields.Nested(CodingSchema), dump_only=True, allow_none=True)
    category = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("category") | {EXAMPLE: "problem-list-item"},
    )
    status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status") | {EXAMPLE: None}
    )
    clinical_status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("clinical status") | {EXAMPLE: "active"}
    )
    verification_status = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("verification status") | {EXAMPLE: "confirmed"},
    )
    criticality = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("criticality") | {EXAMPLE: None}
    )
    start_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    start_precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    end_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    end_precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    recorded_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    value_number = fields.Float(dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None})
    value_code_system = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("code system") | {EXAMPLE: None}
    )
    value_code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: None})
    value_text = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: None}
    )
    unit = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("unit") | {EXAMPLE: None}
    )
    comparator = Choice(
        Comparator, dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )
    parent_code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: None})
    source = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "epic"})
    source_type = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "Condition"})
    source_id = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "cond-2207"}
    )
    component = fields.Integer(dump_only=True, metadata=PLAIN)
    entered_in_error = fields.Boolean(dump_only=True, metadata=PLAIN)


class RecordQuerySchema(PageQuerySchema):
    """Query parameters of a list of records."""

    type = Choice(RecordType)
    code = text(columns.code, example="44054006")
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
    precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    until = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    type = Choice(RecordType, dump_only=True, metadata=PLAIN)
    code_system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://snomed.info/sct"},
    )
    code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: "44054006"})
    display = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: "Diabetes mellitus type 2 (disorder)"},
    )
    status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status of an event") | {EXAMPLE: None}
    )
    value = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: None} | {"description": "The value with its unit."},
    )
