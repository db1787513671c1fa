"""Documents of a patient as clients read them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema, Text
from trially.phi import CODE, IDENTIFIER, PLAIN, value_set
from trially.recruiting.documents.extracting.problems import TextProblem
from trially.recruiting.documents.model import Document, DocumentSource
from trially.recruiting.documents.searches import LONGEST_SEARCH, read_search
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.records.choices import DatePrecision, DateProblem, ListedWithdrawn
from trially.recruiting.records.details import CodingSchema
from trially.resources.fields import text

columns = table_of(Document).c
LAST_PAGE = 1_000_000


class PartSchema(Schema):
    """A piece of text, and whether the search found it."""

    text = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "chest pain"})
    match = fields.Boolean(dump_only=True, metadata=PLAIN | {EXAMPLE: True})


class SnippetSchema(Schema):
    """A place in the text that the search found, with the text around it."""

    page = fields.Integer(dump_only=True, metadata=PLAIN | {EXAMPLE: 1})
    parts = fields.List(
        fields.Nested(PartSchema),
        dump_only=True,
        metadata={"description": "The pieces of the snippet in their order."},
    )


class DocumentSchema(Schema):
    """A document or note about a patient, without its text."""

    subjects = ("patient_id",)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    etag = EntityTag()
    patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    type_system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://loinc.org"},
    )
    type_code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: "18842-5"})
    type_display = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "Discharge summary"}
    )
    other_codings = fields.List(fields.Nested(CodingSchema), dump_only=True, allow_none=True)
    category = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("category") | {EXAMPLE: "clinical-note"},
    )
    title = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "Discharge summary"}
    )
    author = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "Dr. Kim Lee"}
    )
    at = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "The document's date. Null if its source does not know."},
    )
    at_precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    at_offset = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {EXAMPLE: -300, "description": "UTC offset that the source wrote, in minutes."},
    )
    dated_on = fields.Date(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "The day of `at` in the source's own time."},
    )
    date_problem = Choice(
        DateProblem,
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {EXAMPLE: None, "description": "Why the date must not be used. Null if it may be."},
    )
    status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status") | {EXAMPLE: "current"}
    )
    document_status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status") | {EXAMPLE: "final"}
    )
    encounter_source_id = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "enc-88"}
    )
    page_count = fields.Integer(
        dump_only=True,
        metadata=PLAIN | {EXAMPLE: 2, "description": "0 if the document has no text."},
    )
    has_page_numbers = fields.Boolean(
        dump_only=True,
        metadata=PLAIN | {"description": "The pages are those of a PDF."},
    )
    character_count = fields.Integer(dump_only=True, metadata=PLAIN | {EXAMPLE: 5120})
    text_problem = Choice(
        TextProblem,
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {EXAMPLE: None, "description": "Why the text is missing or not complete."},
    )
    source = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "epic"})
    source_type = Choice(DocumentSource, dump_only=True, metadata=PLAIN)
    source_id = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "doc-2207"})
    entered_in_error = fields.Boolean(dump_only=True, metadata=PLAIN | {EXAMPLE: False})
    withdrawn_at = fields.AwareDateTime(
        dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )
    withdrawn_reason = Choice(
        WithdrawalReason, dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )


class FoundDocumentSchema(DocumentSchema):
    """A document, and where a search found its words."""

    snippets = fields.List(
        fields.Nested(SnippetSchema),
        dump_only=True,
        allow_none=True,
        metadata={"description": "Null without `q`. Empty if only the title or type matches."},
    )


class DocumentPageSchema(Schema):
    """One page of a document's text."""

    number = fields.Integer(dump_only=True, metadata=PLAIN | {EXAMPLE: 1})
    text = fields.String(
        dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "The patient has no chest pain."}
    )
    parts = fields.List(
        fields.Nested(PartSchema),
        dump_only=True,
        allow_none=True,
        metadata={"description": "The text in pieces, found by `q` or not. Null without `q`."},
    )


class DocumentTextSchema(DocumentSchema):
    """A document with some pages of its text."""

    pages = fields.List(fields.Nested(DocumentPageSchema), dump_only=True)
    next_page = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {EXAMPLE: 2, "description": "Value of `page` for the following pages."},
    )


class SearchText(Text):
    """What a person types to search documents."""

    def __init__(self) -> None:
        super().__init__(
            LONGEST_SEARCH,
            example="chest pain",
            metadata={
                "description": "Words that must all occur, without regard to accents and case. A"
                ' word of four or more characters also finds longer words. `"a phrase"`, `-without`'
                " and `begin*` have the usual meanings."
            },
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        typed = super()._deserialize(value, attr, data, **kwargs)
        if read_search(typed) is None:
            raise ValidationError("Must have a word to search for.")
        return typed


class DocumentQuerySchema(PageQuerySchema):
    """Query parameters of a patient's documents."""

    q = SearchText()
    type_code = text(
        columns.type_code,
        example="18842-5",
        metadata={"description": "A code of the document's type, in any of its codings."},
    )
    category = text(columns.category, example="clinical-note")
    status = text(columns.status, example="current")
    source = text(columns.source, example="epic")
    source_type = Choice(DocumentSource)
    dated_from = fields.Date(metadata={"description": "The first day. Unknown dates are left out."})
    dated_to = fields.Date(metadata={"description": "The last day. Unknown dates are left out."})
    entered_in_error = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={
            "description": "`true` lists only documents entered in error, `false` all others."
        },
    )
    withdrawn = Choice(
        ListedWithdrawn,
        load_default=ListedWithdrawn.IN_USE,
        metadata={
            "description": "`false` lists documents in use, `true` withdrawn ones, `all` both."
        },
    )


class AllDocumentsQuerySchema(DocumentQuerySchema):
    """Query parameters of the documents of all patients."""

    site_id = fields.UUID(metadata={"description": "Documents of the patients of this site."})


class DocumentTextQuerySchema(Schema):
    """Query parameters of one document."""

    page = fields.Integer(
        load_default=1,
        validate=validate.Range(1, LAST_PAGE),
        metadata={"description": "The first page to show."},
    )
    q = SearchText()
