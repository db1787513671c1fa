"""Studies as clients write and read them."""

from marshmallow import Schema, fields, validate

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema, Sort, Text
from trially.recruiting.studies.model import SORTS, Phase, Study, StudyStatus, StudyType
from trially.resources.fields import text

columns = table_of(Study).c


class StudySchema(Schema):
    """A clinical study that the tenant recruits for."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    protocol_number = text(columns.protocol_number, required=True, example="GLY-302")
    nct_id = fields.String(
        allow_none=True,
        validate=validate.Regexp(r"NCT[0-9]{8}\Z", error="Must be NCT and eight digits."),
        # JSON Schema searches for a pattern, and does not know `\Z`.
        metadata={"pattern": "^NCT[0-9]{8}$", EXAMPLE: "NCT05512345"},
    )
    title = text(columns.title, required=True, example="Glucose control in type 2 diabetes")
    sponsor = text(columns.sponsor, allow_none=True, example="Northwind Therapeutics")
    phases = fields.List(Choice(Phase), validate=validate.Length(max=5))
    study_type = Choice(StudyType)
    status = Choice(StudyStatus)
    conditions = fields.List(
        Text(200, example="Type 2 diabetes"), validate=validate.Length(max=100)
    )
    target_enrollment = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, 10_000_000),
        metadata={EXAMPLE: 240},
    )
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class StudyQuerySchema(PageQuerySchema):
    """Query parameters of a list of studies."""

    sort = Sort(SORTS)
    status = Choice(StudyStatus)
    phase = Choice(Phase)
