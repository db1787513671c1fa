"""Write documents and the pages of their text."""

from collections.abc import Sequence
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import Row
from uuid_utils.compat import uuid7

from trially.database.changes import note_written
from trially.recruiting.documents.model import DOCUMENT_TYPES, Document, DocumentPage
from trially.recruiting.documents.words import to_vector
from trially.recruiting.imports.fhir.rows import DocumentRow
from trially.recruiting.imports.writing.patient_keys import FoundPatient
from trially.recruiting.imports.writing.resources import (
    PlacedRecord,
    RecordKey,
    TranslatedResource,
    WriteCounts,
)
from trially.recruiting.imports.writing.statements import INCREMENT_VERSION
from trially.recruiting.imports.writing.upserting import (
    compose_insert,
    compose_upsert,
    run_with_rows,
)
from trially.recruiting.patients.lifetimes import mark_documents

_KEY = ("source", "base_url", "source_type", "source_id")


class PageRow(TypedDict):
    """One page of a document."""

    id: UUID
    document_id: str
    number: int
    content: str
    search: str


# A changed document may have moved from one patient to another: both have changed.
_UPSERT_DOCUMENTS = f"""{
    compose_upsert(
        Document,
        DocumentRow,
        _KEY,
        added=[
            "patient_id",
            "recorded_patient_id",
            "page_count",
            "character_count",
            "has_page_numbers",
            "text_problem",
            "search",
        ],
        not_stored=["patient_source_id", "parts"],
        returning="document.id, patient_id, base_url, source_type, source_id,"
        " CASE WHEN document.xmax <> 0 THEN (SELECT former.patient_id FROM document former"
        " WHERE former.tenant_id = document.tenant_id AND former.id = document.id) END"
        " AS former_patient_id",
    )
}, updated AS (
    UPDATE patient SET {INCREMENT_VERSION}, updated_at = now()
    FROM (
        SELECT patient_id FROM written UNION SELECT former_patient_id FROM written
    ) AS touched
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = touched.patient_id
)
SELECT id::text, base_url, source_type, source_id, patient_id, former_patient_id,
    CASE WHEN is_new THEN 'new' ELSE 'changed' END AS outcome FROM written
UNION ALL
SELECT NULL, base_url, source_type, source_id, NULL, NULL, 'stale'
FROM incoming WHERE state = 'stale'
"""
_DELETE_PAGES = """
DELETE FROM document_page USING json_to_recordset(CAST(:rows AS json)) AS r(document_id uuid)
WHERE document_page.tenant_id = CAST(:tenant_id AS uuid)
AND document_page.document_id = r.document_id
"""
_INSERT_PAGES = compose_insert(DocumentPage, PageRow, added=[])


def is_document(resource: TranslatedResource) -> bool:
    """Return whether a resource becomes a document instead of facts."""
    return resource.type in DOCUMENT_TYPES


def write_documents(documents: Sequence[PlacedRecord], source: str) -> WriteCounts:
    """Write documents of a source, with their pages. All writing of documents is here.

    The documents are complete: `complete_documents` has joined their parts to `pages`.
    """
    if not documents:
        return WriteCounts()
    pages = {each.key: each.rows[0]["pages"] for each, _ in documents}
    rows = run_with_rows(
        _UPSERT_DOCUMENTS,
        [_to_item(each, source, patient) for each, patient in documents],
    )
    written = [row for row in rows if row.outcome != "stale"]
    note_written("document", "patient", patients=_touched_by(written))
    outside = {each.key for each, patient in documents if patient.is_outside_life(each.rows[0])}
    mark_documents(row.id for row in written if _key_of(row) in outside)
    changed = [{"document_id": row.id} for row in written if row.outcome == "changed"]
    if changed:
        run_with_rows(_DELETE_PAGES, changed)
    page_rows: list[PageRow] = [
        {
            "id": uuid7(),
            "document_id": row.id,
            "number": number,
            "content": content,
            "search": to_vector([content]),
        }
        for row in written
        for number, content in enumerate(pages[_key_of(row)], 1)
    ]
    if page_rows:
        run_with_rows(_INSERT_PAGES, page_rows)
    return WriteCounts((row.source_type, row.outcome) for row in rows)


def _touched_by(written: Sequence[Row[Any]]) -> set[UUID]:
    """Return the patients of written documents, those that had them before included."""
    touched = {row.patient_id for row in written} | {row.former_patient_id for row in written}
    return touched - {None}


def _key_of(row: Row[Any]) -> RecordKey:
    return RecordKey(row.source_type, row.base_url, row.source_id)


def _to_item(document: TranslatedResource, source: str, patient: FoundPatient) -> dict[str, Any]:
    row = {name: value for name, value in document.rows[0].items() if name != "pages"}
    pages = document.rows[0]["pages"]
    return {
        **row,
        "id": uuid7(),
        "source": source,
        "patient_id": patient.current_id,
        "recorded_patient_id": patient.replaced_id,
        "content_hash": document.digest,
        "page_count": len(pages),
        "character_count": sum(len(page) for page in pages),
        "search": to_vector([row["title"] or "", row["type_display"] or "", *pages]),
    }
