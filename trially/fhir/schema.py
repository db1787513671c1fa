"""Query parameters of the FHIR routes."""

from marshmallow import Schema, fields, validate

from trially.fhir.studies import STATUSES
from trially.http.fields import LARGEST_PAGE, LONGEST_CURSOR, Text

_CODES = sorted({code for code in STATUSES.values() if code is not None})


class ResearchStudyQuerySchema(Schema):
    """Query parameters of a search of studies, with FHIR's names."""

    limit = fields.Integer(
        data_key="_count",
        load_default=50,
        validate=validate.Range(1, LARGEST_PAGE),
        metadata={"description": "Maximum number of studies on a page."},
    )
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(1, LONGEST_CURSOR),
        metadata={"description": "Part of the link `next` of the previous page."},
    )
    study_status = fields.String(
        data_key="status",
        validate=validate.OneOf(_CODES),
        metadata={"description": "FHIR's status of the study."},
    )
    condition = Text(
        200,
        example="diabetes",
        metadata={"description": "A part of the name of a condition, in upper or lower case."},
    )
