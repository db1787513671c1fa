"""Read documents of studies: their files, their pages, and where the pages begin."""

from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import Item, fetch_items, find_item, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.protocols.documents.model import (
    StudyDocument,
    StudyDocumentPage,
    StudyDocumentPart,
)
from trially.recruiting.protocols.documents.places import DocumentText
from trially.recruiting.protocols.documents.sealing import DocumentCipher, Piece

MOST_PAGES_SHOWN = 50

_pages = table_of(StudyDocumentPage).c
_parts = table_of(StudyDocumentPart).c


def key_version_of(document_id: UUID) -> int:
    """Return the version of the tenant's data key that encrypts a document."""
    found = find_item(StudyDocument, document_id, ("key_version",))
    if found is None:
        raise LookupError(f"There is no document {document_id}.")
    return int(found["key_version"])


def read_file(document_id: UUID, key_version: int) -> Iterator[bytes]:
    """Yield the parts of a document's file in their order, one statement for each.

    Raises `UnsealError`, `DestroyedKeyError` or a `KeyProviderError`.
    """
    cipher = DocumentCipher.of_version(document_id, key_version)
    number = 0
    while True:
        sealed = db.session.execute(
            select(_parts.sealed).where(
                of_current_tenant(StudyDocumentPart),
                _parts.document_id == document_id,
                _parts.number == number,
            )
        ).scalar_one_or_none()
        if sealed is None:
            return
        yield cipher.unseal(Piece.PART_OF_FILE, number, bytes(sealed))
        number += 1


def read_pages(document_id: UUID, key_version: int, first: int = 1, most: int = 0) -> list[Item]:
    """Return pages of a document from the first one on, all of them without `most`.

    A page has its `number`, its `text`, and how many characters of the document are before it,
    `start`. Raises as `read_file` does.
    """
    statement = (
        select(_pages.number, _pages.start, _pages.sealed)
        .where(
            of_current_tenant(StudyDocumentPage),
            _pages.document_id == document_id,
            _pages.number >= first,
        )
        .order_by(_pages.number)
    )
    cipher = DocumentCipher.of_version(document_id, key_version)
    return [
        {
            "number": page["number"],
            "start": page["start"],
            "text": cipher.unseal(Piece.PAGE, page["number"], bytes(page["sealed"])).decode(),
        }
        for page in fetch_items(statement.limit(most) if most else statement)
    ]


def text_of_document(study_id: UUID, document_id: UUID) -> DocumentText | None:
    """Return the text of a study's document, or None if the study has no such document.

    Raises as `read_file` does.
    """
    found = find_item(
        StudyDocument,
        document_id,
        ("key_version",),
        table_of(StudyDocument).c.study_id == study_id,
    )
    if found is None:
        return None
    pages = read_pages(document_id, found["key_version"])
    return DocumentText.of_pages([page["text"] for page in pages])


def starts_of_pages(document_ids: Collection[UUID]) -> dict[UUID, Sequence[int]]:
    """Return how many characters are before each page of documents. No text is decrypted."""
    starts: dict[UUID, list[int]] = {}
    if document_ids:
        statement = (
            select(_pages.document_id, _pages.start)
            .where(of_current_tenant(StudyDocumentPage), _pages.document_id.in_(document_ids))
            .order_by(_pages.document_id, _pages.number)
        )
        for page in fetch_items(statement):
            starts.setdefault(page["document_id"], []).append(page["start"])
    return dict(starts)
