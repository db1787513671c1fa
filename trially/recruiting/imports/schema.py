"""Imports as clients read them."""

from marshmallow import Schema, ValidationError, fields, validate, validates

from trially.http.fields import PageQuerySchema, Text
from trially.recruiting.patients.model import MANUAL_SOURCE


class CountSchema(Schema):
    """What became of the resources of one type."""

    read = fields.Integer(required=True)
    new = fields.Integer(required=True)
    changed = fields.Integer(required=True)
    entered_in_error = fields.Integer(required=True)


class ImportSchema(Schema):
    """One import."""

    id = fields.UUID(dump_only=True)
    source = fields.String(dump_only=True)
    state = fields.String(dump_only=True, validate=validate.OneOf(["running", "done", "failed"]))
    strict = fields.Boolean(dump_only=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Nested(CountSchema), dump_only=True)
    passed_over = fields.Dict(keys=fields.String(), values=fields.Integer(), dump_only=True)
    error_count = fields.Integer(dump_only=True)
    failure = fields.String(dump_only=True, allow_none=True)
    started_by = fields.String(dump_only=True, allow_none=True)
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)
    ended_at = fields.AwareDateTime(dump_only=True, allow_none=True)


class FaultSchema(Schema):
    """A line that could not be imported."""

    id = fields.UUID(dump_only=True)
    file = fields.String(dump_only=True)
    line = fields.Integer(dump_only=True)
    reason = fields.String(dump_only=True)
    pointer = fields.String(dump_only=True, allow_none=True)


class UploadQuerySchema(Schema):
    """How to take an upload in."""

    source = Text(
        64,
        load_default="fhir",
        metadata={"description": f"Where the records are from; not `{MANUAL_SOURCE}`."},
    )
    strict = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "Stop at the first bad line."},
    )

    @validates("source")
    def check_source(self, source: str, data_key: str) -> None:  # noqa: ARG002
        """Leave the patients whom people have entered to people."""
        if source == MANUAL_SOURCE:
            raise ValidationError("Must not be the source of patients entered by hand.")


class ImportQuerySchema(PageQuerySchema):
    """What a list of imports can be narrowed to."""

    state = fields.String(validate=validate.OneOf(["running", "done", "failed"]))
