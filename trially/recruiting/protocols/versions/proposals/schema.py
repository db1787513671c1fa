"""Proposals of criteria, as clients ask for them, read them, and decide about them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, Flag, JsonObject, PageQuerySchema
from trially.recruiting.drafting.drafts import LONGEST_TEXT
from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.readings import Confidence
from trially.recruiting.protocols.documents.schema import LAST_PAGE
from trially.recruiting.protocols.versions.criteria_schema import Lines, PlaceSchema
from trially.recruiting.protocols.versions.model import CriterionKind, Evaluation
from trially.recruiting.protocols.versions.proposals.model import (
    CriterionProposal,
    ProposalState,
    StudyField,
)
from trially.recruiting.protocols.versions.proposals.readers import RULES
from trially.resources.fields import text

columns = table_of(CriterionProposal).c
_EXPRESSION = {"age": {"gte": 18, "unit": "a"}}
_ENGLISH = "Age is at least 18 years."
_STATEMENT = "Age of 18 years or more"


class ProposedPartSchema(Schema):
    """What a reader has read of a statement for which it proposes no criterion."""

    kind = Choice(Kind, dump_only=True, metadata={EXAMPLE: "age"})
    words = fields.String(dump_only=True, metadata={EXAMPLE: _STATEMENT})
    start = fields.Integer(dump_only=True, metadata={EXAMPLE: 23})
    end = fields.Integer(dump_only=True, metadata={EXAMPLE: 46})
    is_negated = fields.Boolean(
        dump_only=True,
        metadata={
            EXAMPLE: False,
            "description": "The words negate it, as in `no history of`. The expression does not.",
        },
    )
    expression = JsonObject(
        keys=fields.String(),
        values=fields.Raw(),
        dump_only=True,
        metadata={EXAMPLE: _EXPRESSION},
    )
    english = fields.String(dump_only=True, metadata={EXAMPLE: _ENGLISH})


class StoredProposalSchema(Schema):
    """The columns of a proposal."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    protocol_version_id = fields.UUID(dump_only=True)
    position = fields.Integer(dump_only=True, metadata={EXAMPLE: 0})
    state = Choice(
        ProposalState,
        dump_only=True,
        metadata={
            EXAMPLE: "open",
            "description": "`accepted`: a criterion as it was proposed. `corrected`: a criterion"
            " with what a person changed.",
        },
    )
    kind = Choice(CriterionKind, dump_only=True)
    statement = fields.String(dump_only=True, metadata={EXAMPLE: _STATEMENT})
    document_id = fields.UUID(dump_only=True, allow_none=True)
    place_start = fields.Integer(dump_only=True, allow_none=True)
    place_end = fields.Integer(dump_only=True, allow_none=True)
    study_field = Choice(
        StudyField,
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: None,
            "description": "The field of the study that proposes the criterion, without a text.",
        },
    )
    expression = JsonObject(
        keys=fields.String(),
        values=fields.Raw(),
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: _EXPRESSION,
            "description": "The proposed criterion. Null if the reader proposes none.",
        },
    )
    reason = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: None, "description": "Why the reader proposes no criterion."},
    )
    parts = fields.List(
        fields.Nested(ProposedPartSchema),
        dump_only=True,
        metadata={
            EXAMPLE: [],
            "description": "What was read of a statement that has no criterion. No part says all of"
            " the statement.",
        },
    )
    assumptions = fields.List(
        fields.String(),
        dump_only=True,
        metadata={EXAMPLE: [], "description": "What the criterion takes for granted."},
    )
    confidence = Choice(Confidence, dump_only=True, metadata={EXAMPLE: "high"})
    reader = fields.String(dump_only=True, metadata={EXAMPLE: "rules"})
    reader_version = fields.String(dump_only=True, metadata={EXAMPLE: "2"})
    criterion_key = fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: None,
            "description": "The `key` of the criterion that the proposal became.",
        },
    )
    decided_by = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: None,
            "description": "Subject of the member who accepted or rejected it.",
        },
    )
    decided_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata={EXAMPLE: None})
    decision_reason = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: None})
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class ProposalSchema(StoredProposalSchema):
    """A statement of a text, and the criterion that a reader proposes for it, if any."""

    class Meta:
        """The place is one member."""

        exclude = ("document_id", "place_start", "place_end")

    place = fields.Nested(
        PlaceSchema,
        dump_only=True,
        allow_none=True,
        metadata={"description": "Where the statement is. Null for a field of the study."},
    )
    english = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: _ENGLISH, "description": "The proposed criterion in words."},
    )


class ProposalQuerySchema(PageQuerySchema):
    """Query parameters of a draft's proposals."""

    state = Choice(ProposalState)
    document_id = fields.UUID()


class ProposingBodySchema(Schema):
    """The text to read. Without one, it is the eligibility text of the study's registry."""

    document_id = fields.UUID(
        allow_none=True,
        load_default=None,
        metadata={
            EXAMPLE: None,
            "description": "A document of the study, such as its protocol.",
        },
    )
    first_page = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, LAST_PAGE),
        metadata={
            EXAMPLE: None,
            "description": "The first page of the document to read. Without pages, the longest part"
            " below headings such as `Inclusion Criteria` is read, or else all of the document.",
        },
    )
    last_page = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, LAST_PAGE),
        metadata={EXAMPLE: None, "description": "The last page to read."},
    )
    text = Lines(
        validate=validate.Length(1, LONGEST_TEXT),
        metadata={
            EXAMPLE: "Inclusion Criteria:\n* Age of 18 years or more",
            "description": "The text itself. It becomes a document of the study.",
        },
    )
    reader = fields.String(
        load_default=RULES,
        validate=validate.Length(1, 100),
        metadata={
            EXAMPLE: RULES,
            "description": "Name of the reader. Others than `rules` are named by the setting"
            " `TRIALLY_READERS`.",
        },
    )

    @validates_schema
    def _refuse_two_texts(self, data: dict[str, Any], **_: Any) -> None:
        if data["document_id"] is not None and "text" in data:
            raise ValidationError("Name a document or send a text, not both.", "text")
        pages = [data["first_page"], data["last_page"]]
        if data["document_id"] is None and any(page is not None for page in pages):
            raise ValidationError("Pages need a document.", "document_id")
        if None not in pages and pages[0] > pages[1]:
            raise ValidationError("Must not be before the first page.", "last_page")


class ProposedSchema(Schema):
    """What was read, and how many proposals came of it."""

    document_id = fields.UUID(dump_only=True)
    start = fields.Integer(
        dump_only=True,
        metadata={EXAMPLE: 0, "description": "Characters of the document before what was read."},
    )
    end = fields.Integer(dump_only=True, metadata={EXAMPLE: 2_140})
    first_page = fields.Integer(dump_only=True, metadata={EXAMPLE: 1})
    last_page = fields.Integer(dump_only=True, metadata={EXAMPLE: 1})
    reader = fields.String(dump_only=True, metadata={EXAMPLE: RULES})
    reader_version = fields.String(dump_only=True, metadata={EXAMPLE: "2"})
    added = fields.Integer(dump_only=True, metadata={EXAMPLE: 17})
    changed = fields.Integer(
        dump_only=True,
        metadata={EXAMPLE: 0, "description": "Open proposals that the reader reads otherwise now."},
    )
    unchanged = fields.Integer(
        dump_only=True,
        metadata={
            EXAMPLE: 0,
            "description": "Decided ones, and open ones that are read as before.",
        },
    )
    open = fields.Integer(
        dump_only=True,
        metadata={EXAMPLE: 17, "description": "Proposals of the draft that are not decided."},
    )


class AcceptanceSchema(Schema):
    """What a person changes of a proposal. Members that are left out stay as proposed."""

    kind = Choice(CriterionKind)
    expression = JsonObject(
        keys=fields.String(),
        values=fields.Raw(),
        allow_none=True,
        metadata={
            EXAMPLE: _EXPRESSION,
            "description": "The criterion in the language of criteria. Null: a person decides it.",
        },
    )
    evaluation = Choice(
        Evaluation,
        metadata={
            EXAMPLE: "expressed",
            "description": "Needed only without an expression: `unsupported` by default, else"
            " `manual` or `not_expressed`.",
        },
    )
    is_hard = Flag(
        load_default=True,
        metadata={"description": "False: it counts for the order of matches only."},
    )
    weight = fields.Integer(
        strict=True, load_default=1, validate=validate.Range(1, 100), metadata={EXAMPLE: 1}
    )
    reason = text(columns.decision_reason, allow_none=True, load_default=None, example=None)


class RejectionSchema(Schema):
    """Why a proposal does not become a criterion."""

    reason = text(
        columns.decision_reason,
        allow_none=True,
        load_default=None,
        example="The study's age is a criterion already.",
    )
