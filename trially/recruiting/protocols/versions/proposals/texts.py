"""The text that a reader is to read: a document of the study, or a part of it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import fetch_items, find_item, of_current_tenant, table_of
from trially.recruiting.documents.extracting.text_of import in_pages
from trially.recruiting.drafting.splitting.sections import find_criteria
from trially.recruiting.protocols.documents.model import StudyDocument, StudyDocumentKind
from trially.recruiting.protocols.documents.places import DocumentText, Place
from trially.recruiting.protocols.documents.reading import text_of_document

WHOLE = frozenset({StudyDocumentKind.ELIGIBILITY, StudyDocumentKind.OTHER})
"""Kinds of documents that are read from beginning to end. Others have a part with the criteria."""

_document = table_of(StudyDocument).c


class NoTextError(ValueError):
    """There is nothing to read. `member` of the request names the reason."""

    def __init__(self, detail: str, member: str = "") -> None:
        super().__init__(detail)
        self.member = member


@dataclass(frozen=True, slots=True)
class ReadText:
    """What is read of a document."""

    document_id: UUID | None
    """None for a text that is no document yet."""
    document: DocumentText
    place: Place

    @property
    def text(self) -> str:
        """The characters at the place."""
        return self.document.text[self.place.start : self.place.end]

    @property
    def pages(self) -> tuple[int, int]:
        """The first and the last page of the place."""
        document, place = self.document, self.place
        return document.page_at(place.start), document.page_at(place.end - 1)


def sent_text(text: str) -> ReadText:
    """Return a text as its document will have it, once it is stored. Raises `NoTextError`."""
    document = DocumentText.of_pages(in_pages(text).pages)
    if not document.text:
        raise NoTextError("The text is empty.", "text")
    return ReadText(None, document, Place(0, len(document.text)))


def registry_text(study_id: UUID) -> ReadText:
    """Return the newest eligibility text of a study's registry. Raises `NoTextError`."""
    statement = (
        select(_document.id)
        .where(
            of_current_tenant(StudyDocument),
            _document.study_id == study_id,
            _document.kind == StudyDocumentKind.ELIGIBILITY,
        )
        .order_by(_document.id.desc())
        .limit(1)
    )
    for row in fetch_items(statement):
        return document_text(study_id, row["id"])
    raise NoTextError(
        "The study has no eligibility text of a registry. Name a document, or send a text."
    )


def document_text(
    study_id: UUID, document_id: UUID, first_page: int | None = None, last_page: int | None = None
) -> ReadText:
    """Return the criteria's part of a study's document, or the pages. Raises `NoTextError`."""
    document = text_of_document(study_id, document_id)
    if document is None:
        raise NoTextError("The study has no such document.", "document_id")
    if not document.text.strip():
        raise NoTextError("The document has no text.", "document_id")
    if first_page is None and last_page is None:
        place = _criteria_of(document, _kind_of(document_id))
    else:
        place = _pages_of(document, first_page or 1, last_page or len(document.starts))
    return ReadText(document_id, document, place)


def _criteria_of(document: DocumentText, kind: StudyDocumentKind) -> Place:
    found = None if kind in WHOLE else find_criteria(document.text)
    return Place(*found) if found else Place(0, len(document.text))


def _pages_of(document: DocumentText, first: int, last: int) -> Place:
    if first > len(document.starts):
        detail = f"The document has {len(document.starts)} pages."
        raise NoTextError(detail, "first_page")
    starts = [*document.starts, len(document.text)]
    return Place(starts[first - 1], starts[min(last, len(document.starts))])


def _kind_of(document_id: UUID) -> StudyDocumentKind:
    found = find_item(StudyDocument, document_id, ("kind",))
    if found is None:
        raise LookupError(f"There is no document {document_id}.")
    return StudyDocumentKind(found["kind"])
