"""Store documents of studies, encrypted."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    insert_item,
    of_current_tenant,
    table_of,
)
from trially.database.session import db
from trially.recruiting.documents.extracting.text_of import ExtractedText, in_pages
from trially.recruiting.protocols.documents.model import (
    StudyDocument,
    StudyDocumentKind,
    StudyDocumentPage,
    StudyDocumentPart,
)
from trially.recruiting.protocols.documents.places import PAGE_BREAK
from trially.recruiting.protocols.documents.sealing import DocumentCipher, Piece, digest_of

PART_BYTES = 1 << 20
TEXT_TYPE = "text/plain"


def store_document(
    study_id: UUID,
    content: bytes,
    extracted: ExtractedText,
    *,
    kind: StudyDocumentKind,
    title: str,
    media_type: str,
    names: Sequence[str] = ("id",),
) -> Item:
    """Store a document of a study, and return its named columns.

    Raises `UnknownKeyError`, `DestroyedKeyError` or a `KeyProviderError`.
    """
    document_id = uuid7()
    cipher = DocumentCipher.new(document_id)
    values = {
        "id": document_id,
        "study_id": study_id,
        "kind": kind,
        "title": title,
        "media_type": media_type,
        "file_size": len(content),
        "digest": digest_of(content),
        "page_count": len(extracted.pages),
        "character_count": sum(len(page) for page in extracted.pages),
        "has_page_numbers": extracted.is_paged,
        "text_problem": extracted.problem,
        "key_version": cipher.key_version,
    }
    item = insert_item(StudyDocument, values, names)
    _insert(StudyDocumentPart, document_id, _parts(cipher, content))
    _insert(StudyDocumentPage, document_id, _pages(cipher, extracted.pages))
    return item


def store_text(study_id: UUID, text: str, *, kind: StudyDocumentKind, title: str) -> UUID:
    """Store a text as a document, unless the study has it already, and return its id.

    Raises as `store_document` does.
    """
    content = text.encode()
    known = _find(study_id, digest_of(content))
    if known is not None:
        return known
    stored = store_document(
        study_id, content, in_pages(text), kind=kind, title=title, media_type=TEXT_TYPE
    )
    return UUID(str(stored["id"]))


def _find(study_id: UUID, digest: bytes) -> UUID | None:
    document = table_of(StudyDocument).c
    statement = select(*columns_named(StudyDocument, ("id",))).where(
        of_current_tenant(StudyDocument),
        document.study_id == study_id,
        document.digest == digest,
    )
    return next((item["id"] for item in fetch_items(statement)), None)


def _parts(cipher: DocumentCipher, content: bytes) -> Iterator[Item]:
    for number, start in enumerate(range(0, len(content), PART_BYTES)):
        part = content[start : start + PART_BYTES]
        yield {"number": number, "sealed": cipher.seal(Piece.PART_OF_FILE, number, part)}


def _pages(cipher: DocumentCipher, pages: Sequence[str]) -> Iterator[Item]:
    start = 0
    for number, page in enumerate(pages, 1):
        sealed = cipher.seal(Piece.PAGE, number, page.encode())
        yield {"number": number, "start": start, "sealed": sealed}
        start += len(page) + len(PAGE_BREAK)


def _insert(
    model: type[StudyDocumentPart | StudyDocumentPage], document_id: UUID, rows: Iterator[Item]
) -> None:
    tenant_id = current_placement().tenant_id
    common = {"tenant_id": tenant_id, "document_id": document_id}
    values = [{**common, "id": uuid7(), **row} for row in rows]
    if values:
        db.session.execute(insert(table_of(model)), values)
