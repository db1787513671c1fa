"""Versions of protocols and their criteria, as clients write and read them."""

from marshmallow import Schema, fields, validate

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.resources.fields import text

columns = table_of(ProtocolVersion).c

LAST_NUMBER = 1_000_000


class StoredVersionSchema(Schema):
    """The columns of a version of a study's protocol."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    study_id = fields.UUID(dump_only=True)
    number = fields.Integer(dump_only=True, metadata={EXAMPLE: 2})
    label = text(columns.label, allow_none=True, example="Amendment 2")
    status = Choice(VersionStatus, dump_only=True)
    effective_on = fields.Date(
        allow_none=True,
        metadata={"description": "Set to the day of the activation if it is null then."},
    )
    copied_from = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, LAST_NUMBER),
        metadata={
            EXAMPLE: None,
            "description": "The number of the version whose criteria are copied. Null: none.",
        },
    )
    criteria_hash = fields.String(
        dump_only=True,
        metadata={EXAMPLE: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    )
    approved_by = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: None, "description": "Subject of the member who activated it."},
    )
    approved_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata={EXAMPLE: None})
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


def _criteria(description: str, example: int) -> fields.Integer:
    return fields.Integer(dump_only=True, metadata={EXAMPLE: example, "description": description})


class EvaluationSchema(Schema):
    """How many criteria of a version the machine evaluates, and how many are left to people."""

    criteria = _criteria("All criteria.", 20)
    evaluated = _criteria("Evaluated as a whole.", 14)
    partly = _criteria("Evaluated but for parts that a person decides.", 1)
    manual = _criteria("A person decides them for each patient.", 2)
    unsupported = _criteria("The language of criteria cannot say them.", 1)
    not_expressed = _criteria("Without an expression yet.", 2)
    not_reviewed = _criteria("No person has accepted them as they are.", 3)
    share = fields.Float(
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: 0.7,
            "description": "`evaluated` of `criteria`, from 0 to 1. Null without criteria.",
        },
    )


class ProtocolVersionSchema(StoredVersionSchema):
    """A version of a study's protocol without its criteria, and how many of them are evaluated."""

    evaluation = fields.Nested(EvaluationSchema, dump_only=True)


class StudyEvaluationSchema(Schema):
    """How many criteria of a study's protocol are evaluated."""

    number = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: 2, "description": "The version. Null if the study has none."},
    )
    status = Choice(VersionStatus, dump_only=True, allow_none=True)
    evaluation = fields.Nested(EvaluationSchema, dump_only=True)


class ProtocolVersionPatchSchema(ProtocolVersionSchema):
    """What can be changed of a version: its criteria are changed as a whole list."""

    class Meta:
        """A version keeps its origin."""

        exclude = ("copied_from",)


class ProtocolVersionQuerySchema(PageQuerySchema):
    """Query parameters of a study's versions."""

    status = Choice(VersionStatus)
