"""Documents of studies as clients write and read them."""

from marshmallow import Schema, fields, validate

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema
from trially.recruiting.documents.extracting.problems import TextProblem
from trially.recruiting.protocols.documents.model import StudyDocument, StudyDocumentKind
from trially.resources.fields import text

columns = table_of(StudyDocument).c
LAST_PAGE = 1_000_000


class StudyDocumentSchema(Schema):
    """A document of a study, without its text."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    study_id = fields.UUID(dump_only=True)
    kind = Choice(StudyDocumentKind, dump_only=True)
    title = fields.String(dump_only=True, metadata={EXAMPLE: "Protocol GLY-302, amendment 2"})
    media_type = fields.String(dump_only=True, metadata={EXAMPLE: "application/pdf"})
    file_size = fields.Integer(
        dump_only=True, metadata={EXAMPLE: 482_113, "description": "Bytes of the file."}
    )
    page_count = fields.Integer(
        dump_only=True, metadata={EXAMPLE: 96, "description": "0 if the document has no text."}
    )
    character_count = fields.Integer(dump_only=True, metadata={EXAMPLE: 214_500})
    has_page_numbers = fields.Boolean(
        dump_only=True,
        metadata={
            "description": "The pages are those of the file. Other texts are cut into pages of"
            " about equal length."
        },
    )
    text_problem = Choice(
        TextProblem,
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: None, "description": "Why the text is missing or not complete."},
    )
    created_at = fields.AwareDateTime(dump_only=True)


class StudyTextPageSchema(Schema):
    """One page of a document's text."""

    number = fields.Integer(dump_only=True, metadata={EXAMPLE: 31})
    start = fields.Integer(
        dump_only=True,
        metadata={EXAMPLE: 70_214, "description": "Characters of the text before this page."},
    )
    text = fields.String(dump_only=True, metadata={EXAMPLE: "5.1 Inclusion criteria"})


class StudyDocumentTextSchema(StudyDocumentSchema):
    """A document of a study with some pages of its text."""

    pages = fields.List(fields.Nested(StudyTextPageSchema), dump_only=True)
    next_page = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: 51, "description": "Value of `page` for the following pages."},
    )


class StudyDocumentQuerySchema(PageQuerySchema):
    """Query parameters of a study's documents."""

    kind = Choice(StudyDocumentKind)


class StudyDocumentUploadSchema(Schema):
    """Query parameters of an upload."""

    title = text(columns.title, required=True, example="Protocol GLY-302, amendment 2")
    kind = Choice(StudyDocumentKind, load_default=StudyDocumentKind.PROTOCOL)


class StudyDocumentTextQuerySchema(Schema):
    """Query parameters of one document."""

    page = fields.Integer(
        load_default=1,
        validate=validate.Range(1, LAST_PAGE),
        metadata={"description": "The first page to show."},
    )
