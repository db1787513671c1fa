"""The criteria of a version, as clients write and read them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from trially.http.fields import EXAMPLE, Choice, EntityTag, Flag, JsonObject
from trially.plain_text import to_plain
from trially.recruiting.protocols.versions.model import (
    CriterionKind,
    Evaluation,
    Proposer,
    ReviewState,
    VersionStatus,
)

MOST_CRITERIA = 200
"""Criteria of a draft. A version with more than the language allows cannot be activated."""

LONGEST_STATEMENT = 10_000
LAST_CHARACTER = 10**9
_EXPRESSION = {"age": {"gte": 18, "unit": "a"}}
_CRITERIA = [
    {
        "kind": "inclusion",
        "statement": "Age of 18 years or more",
        "expression": _EXPRESSION,
        "review_state": "reviewed",
    },
    {"kind": "exclusion", "statement": "Unable to attend visits", "evaluation": "manual"},
]


class Lines(fields.String):
    """A text of several lines, without characters that change how it is read."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        lines = super()._deserialize(value, attr, data, **kwargs)
        if to_plain(lines, keep_lines=True) != lines:
            raise ValidationError(
                "Must not contain control characters or characters that set the text direction."
            )
        if not lines.strip():
            raise ValidationError("Must not be blank.")
        return lines


class PlaceSchema(Schema):
    """Where a statement is: characters of the whole text of one of the study's documents."""

    document_id = fields.UUID(required=True)
    start = fields.Integer(
        strict=True,
        required=True,
        validate=validate.Range(0, LAST_CHARACTER),
        metadata={EXAMPLE: 0},
    )
    end = fields.Integer(
        strict=True,
        required=True,
        validate=validate.Range(1, LAST_CHARACTER),
        metadata={EXAMPLE: 24},
    )
    page = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: 1, "description": "The page of `start`. Null without the document."},
    )


class CriterionSchema(Schema):
    """A criterion: a statement of the protocol, and what it says to a machine."""

    id = fields.UUID(
        metadata={"description": "The id of a criterion of the list that stays. Leave out for new."}
    )
    key = fields.UUID(
        dump_only=True,
        metadata={"description": "The same in all versions that the criterion is copied to."},
    )
    kind = Choice(CriterionKind, required=True)
    statement = Lines(
        validate=validate.Length(1, LONGEST_STATEMENT),
        metadata={
            EXAMPLE: "Age of 18 years or more",
            "description": "Needed without a place. With one, it is the text at the place.",
        },
    )
    place = fields.Nested(PlaceSchema, allow_none=True, load_default=None, metadata={EXAMPLE: None})
    evaluation = Choice(
        Evaluation,
        metadata={
            EXAMPLE: "expressed",
            "description": "`expressed` if there is an expression. Without one: `not_expressed`,"
            " `unsupported` or `manual`.",
        },
    )
    expression = JsonObject(
        keys=fields.String(),
        values=fields.Raw(),
        allow_none=True,
        load_default=None,
        metadata={EXAMPLE: _EXPRESSION, "description": "A tree of the language of criteria."},
    )
    is_hard = Flag(
        load_default=True,
        metadata={"description": "False: it counts for the order of matches only."},
    )
    weight = fields.Integer(
        strict=True, load_default=1, validate=validate.Range(1, 100), metadata={EXAMPLE: 1}
    )
    review_state = Choice(ReviewState, load_default=ReviewState.DRAFTED)
    proposed_by = Choice(Proposer, dump_only=True)
    proposer_name = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: "user-4711", "description": "A member's subject, or a reader's name."},
    )


class CriteriaBodySchema(Schema):
    """The whole list of criteria of a version, in its order."""

    criteria = fields.List(
        fields.Nested(CriterionSchema),
        required=True,
        validate=validate.Length(max=MOST_CRITERIA),
        metadata={EXAMPLE: _CRITERIA},
    )


class CriteriaSchema(Schema):
    """The criteria of a version, and the version's ETag."""

    etag = EntityTag()
    criteria = fields.List(fields.Nested(CriterionSchema), dump_only=True)
    number = fields.Integer(dump_only=True, metadata={EXAMPLE: 2})
    status = Choice(VersionStatus, dump_only=True)
    criteria_hash = fields.String(
        dump_only=True,
        metadata={EXAMPLE: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    )
    counts = JsonObject(
        keys=fields.String(),
        values=fields.Integer(),
        dump_only=True,
        metadata={
            EXAMPLE: {"expressed": 14, "not_expressed": 3, "unsupported": 2, "manual": 1},
            "description": "Criteria by `evaluation`, and how many are `reviewed`.",
        },
    )


class FindingSchema(Schema):
    """Something about a list of criteria, and where it is."""

    pointer = fields.String(dump_only=True, metadata={EXAMPLE: "/criteria/3/expression/age/gte"})
    detail = fields.String(dump_only=True, metadata={EXAMPLE: "Must be a number."})


class ValidationBodySchema(Schema):
    """A list of criteria to validate. Without one, the stored list is validated."""

    criteria = fields.List(
        fields.Nested(CriterionSchema),
        validate=validate.Length(max=MOST_CRITERIA),
        metadata={EXAMPLE: _CRITERIA},
    )


class ValidationSchema(Schema):
    """What is wrong with a list of criteria, and what hinders its activation."""

    errors = fields.List(
        fields.Nested(FindingSchema),
        dump_only=True,
        metadata={"description": "A list with errors cannot be stored."},
    )
    hindrances = fields.List(
        fields.Nested(FindingSchema),
        dump_only=True,
        metadata={"description": "A version with hindrances cannot be activated."},
    )
    warnings = fields.List(fields.Nested(FindingSchema), dump_only=True)


class ChangedCriterionSchema(Schema):
    """A criterion that two versions have, and that differs."""

    fields_changed = fields.List(
        fields.String(), dump_only=True, metadata={EXAMPLE: ["statement", "expression"]}
    )
    former = fields.Nested(CriterionSchema, dump_only=True)
    latter = fields.Nested(CriterionSchema, dump_only=True)


class DifferenceSchema(Schema):
    """How the criteria of two versions differ."""

    former = fields.Integer(dump_only=True, metadata={EXAMPLE: 1})
    latter = fields.Integer(dump_only=True, metadata={EXAMPLE: 2})
    added = fields.List(fields.Nested(CriterionSchema), dump_only=True)
    removed = fields.List(fields.Nested(CriterionSchema), dump_only=True)
    changed = fields.List(fields.Nested(ChangedCriterionSchema), dump_only=True)
    unchanged = fields.Integer(dump_only=True, metadata={EXAMPLE: 17})
    changes_matches = fields.Boolean(
        dump_only=True,
        metadata={
            "description": "False if the versions ask the same of patients, as after a correction"
            " of a statement's spelling."
        },
    )
