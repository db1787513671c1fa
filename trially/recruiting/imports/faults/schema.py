"""Errors of imports as clients read them, and how lists of them are filtered."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.phi import IDENTIFIER
from trially.recruiting.imports.faults import Concern, FaultCode


class FaultSchema(Schema):
    """What was not imported, and why."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    code = Choice(
        FaultCode,
        dump_only=True,
        metadata={"description": "The kind of the error.", EXAMPLE: "patient_missing"},
    )
    concerns = Choice(
        Concern,
        dump_only=True,
        metadata={
            "description": "What the error costs: the whole `input` may be incomplete, a `record`"
            " was not imported, or a `value` was left out of a record.",
            EXAMPLE: "record",
        },
    )
    resource_type = fields.String(
        dump_only=True, allow_none=True, metadata={EXAMPLE: "Observation"}
    )
    # The ids of some sources are record numbers.
    resource_id = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "obs-1"}
    )
    missing_id = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER
        | {
            "description": "Type and id, or identifier, of what is not there.",
            EXAMPLE: "Patient/17",
        },
    )
    other_id = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER
        | {
            "description": "Type and id of the record that has the same MRN.",
            EXAMPLE: None,
        },
    )
    pointer = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "/birthDate"})
    # In an archive, files may be named after patients.
    file = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "upload"})
    line = fields.Integer(dump_only=True, metadata={EXAMPLE: 7})
    reason = fields.String(dump_only=True, metadata={EXAMPLE: "Patient.birthDate is not a date."})


class FaultQuerySchema(PageQuerySchema):
    """Filters of a list of errors."""

    code = Choice(FaultCode)
    type = fields.String(
        validate=validate.Length(1, 64),
        metadata={"description": "Type of resource.", EXAMPLE: "Observation"},
    )
    concerns = Choice(Concern)


class FaultExampleSchema(FaultSchema):
    """One error of a group."""


class FaultGroupSchema(Schema):
    """The errors of one code about one type of resource."""

    code = Choice(FaultCode, dump_only=True, metadata={EXAMPLE: "patient_missing"})
    resource_type = fields.String(
        dump_only=True, allow_none=True, metadata={EXAMPLE: "Observation"}
    )
    count = fields.Integer(dump_only=True, metadata={EXAMPLE: 300})
    examples = fields.List(
        fields.Nested(FaultExampleSchema),
        dump_only=True,
        metadata={"description": "The first errors."},
    )


class FaultGroupsSchema(Schema):
    """The errors of an import in groups, the largest first."""

    subjects = ()

    groups = fields.List(fields.Nested(FaultGroupSchema), dump_only=True)
