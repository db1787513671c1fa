"""Routes of the documents of studies."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Blueprint, Response, request

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.database.session import open_transaction
from trially.http.contract import (
    accepts_stream,
    also_returns,
    chosen_type,
    queries,
    returns_page,
    returns_version,
)
from trially.http.pages import Page
from trially.recruiting.protocols.documents.model import StudyDocument, StudyDocumentKind
from trially.recruiting.protocols.documents.reading import (
    MOST_PAGES_SHOWN,
    key_version_of,
    read_file,
    read_pages,
)
from trially.recruiting.protocols.documents.receiving import MEDIA_TYPES, receive_document
from trially.recruiting.protocols.documents.schema import (
    StudyDocumentQuerySchema,
    StudyDocumentSchema,
    StudyDocumentTextQuerySchema,
    StudyDocumentTextSchema,
    StudyDocumentUploadSchema,
)
from trially.recruiting.protocols.documents.storing import store_document
from trially.recruiting.studies.routes import STUDIES
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("study_documents", __name__, url_prefix="/studies/<uuid:study_id>/documents")

FILE_TYPE = "application/octet-stream"
columns = table_of(StudyDocument).c
_SHOWN = (*(name for name in StudyDocumentSchema().fields if name != "etag"), "version")

STUDY_DOCUMENTS = Resource(
    StudyDocument,
    StudyDocumentSchema(),
    scope=WHOLE_TENANT,
    filters={"study_id": equals(columns.study_id), "kind": equals(columns.kind)},
)


@bp.get("")
@requires(Permission.STUDIES_READ)
@queries(StudyDocumentQuerySchema())
@returns_page(StudyDocumentSchema())
def list_study_documents(study_id: UUID, query: dict[str, Any]) -> Page:
    """List the documents of a study, oldest first.

    The eligibility text of an imported study is one of them. Documents never change: a changed file
    is another document.
    """
    STUDIES.get(study_id)
    return STUDY_DOCUMENTS.page(query, study_id=study_id)


@bp.post("")
@requires(Permission.STUDIES_WRITE)
@accepts_stream(MEDIA_TYPES)
@queries(StudyDocumentUploadSchema())
@returns_version(StudyDocumentSchema(), HTTPStatus.CREATED)
def create_study_document(study_id: UUID, query: dict[str, Any]) -> Item:
    """Upload a document of a study: a PDF, a Word document (DOCX) or a text.

    The body is the file itself. The file and its text are stored encrypted. Pages have the numbers
    of a PDF, or of a Word document that Word has saved; other texts are cut into pages of about
    equal length. `text_problem` says why a text is missing, as that of a scan. A file that the
    study has already is answered with 409.
    """
    STUDIES.get(study_id)
    content, extracted = receive_document()
    open_transaction()
    return store_document(
        study_id,
        content,
        extracted,
        kind=StudyDocumentKind(query["kind"]),
        title=query["title"],
        media_type=request.mimetype,
        names=_SHOWN,
    )


@bp.get("/<uuid:study_document_id>")
@requires(Permission.STUDIES_READ)
@queries(StudyDocumentTextQuerySchema())
@returns_version(StudyDocumentTextSchema())
@also_returns(FILE_TYPE)
def show_study_document(
    study_id: UUID, study_document_id: UUID, query: dict[str, Any]
) -> Item | Response:
    """Show a document of a study with its text, or download its file.

    One answer has up to 50 pages; `next_page` is the first of the pages after them. The place of a
    statement is counted in characters of the whole text. `start` of a page says how many are before
    it. With `Accept: application/octet-stream`, the answer is the file as it was uploaded.
    """
    document = STUDY_DOCUMENTS.get(study_document_id)
    if document["study_id"] != study_id:
        raise STUDY_DOCUMENTS.not_found()
    key_version = key_version_of(study_document_id)
    if request.method == "GET" and chosen_type(FILE_TYPE) == FILE_TYPE:
        return _file(document, b"".join(read_file(study_document_id, key_version)))
    pages = read_pages(study_document_id, key_version, query["page"], MOST_PAGES_SHOWN)
    following = pages[-1]["number"] + 1 if pages else None
    next_page = following if following and following <= document["page_count"] else None
    return {**document, "pages": pages, "next_page": next_page}


def _file(document: Item, content: bytes) -> Response:
    """Return the answer that sends a file. Browsers save it and do not show it."""
    response = Response(content, mimetype=FILE_TYPE)
    name = quote(document["title"], safe="")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return response
