"""Routes of documents: of one patient, and of all patients."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import null

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import queries, returns_page, returns_version
from trially.http.masking import refuse_masked
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.recruiting.documents.conditions import (
    KNOWN_DATE,
    RANK,
    has_phrases,
    has_site,
    has_type,
    is_listed,
    is_patient_in_use,
    lacks_phrases,
    matches,
)
from trially.recruiting.documents.model import Document
from trially.recruiting.documents.pages import find_pages, read_pages
from trially.recruiting.documents.schema import (
    AllDocumentsQuerySchema,
    DocumentQuerySchema,
    DocumentSchema,
    DocumentTextQuerySchema,
    DocumentTextSchema,
    FoundDocumentSchema,
)
from trially.recruiting.documents.searches import Search, read_search
from trially.recruiting.documents.snippets import MOST_SNIPPETS, make_snippets, mark_matches
from trially.recruiting.patients.routes import PATIENTS
from trially.resources.listing import Filter, equals
from trially.resources.resource import Resource
from trially.resources.scope import of_patient

bp = Blueprint("documents", __name__)

columns = table_of(Document).c

_FILTERS: Mapping[str, Filter] = {
    "type_code": has_type,
    "dated_from": lambda day: columns.dated_on >= day,
    "dated_to": lambda day: columns.dated_on <= day,
    "withdrawn": is_listed,
    "is_patient_in_use": is_patient_in_use,
    "site_id": has_site,
    **{
        name: equals(columns[name])
        for name in (
            "patient_id",
            "category",
            "status",
            "source",
            "source_type",
            "entered_in_error",
        )
    },
}

DOCUMENTS = Resource(
    Document,
    DocumentSchema(),
    scope=of_patient(columns.patient_id),
    hidden=[KNOWN_DATE.label("known_date")],
    order={"known_date": "desc", "id": "asc"},
    filters=_FILTERS,
)

FOUND_DOCUMENTS = Resource(
    Document,
    FoundDocumentSchema(),
    name="found_document",
    scope=of_patient(columns.patient_id),
    computed=[null().label("snippets")],
    hidden=[RANK.label("rank")],
    order={"rank": "desc", "id": "asc"},
    filters={
        **_FILTERS,
        "q": matches,
        "phrases": has_phrases,
        "excluded_phrases": lacks_phrases,
    },
)


@bp.get("/patients/<uuid:patient_id>/documents")
@requires(Permission.PATIENTS_READ)
@queries(DocumentQuerySchema())
@returns_page(FoundDocumentSchema())
def list_documents(patient_id: UUID, query: dict[str, Any]) -> Page:
    """List a patient's documents and notes, newest first, or search them.

    Documents without a date come last. With `q`, the documents are in the order of relevance, and
    `snippets` shows where the words were found. Documents that were withdrawn or entered in
    error are left out, unless the query asks for them. With the PHI level `limited`, texts are
    masked, and `q` is answered with 403.
    """
    PATIENTS.get(patient_id)
    return _find_documents(query, patient_id=patient_id)


@bp.get("/documents")
@requires(Permission.PATIENTS_READ)
@queries(AllDocumentsQuerySchema())
@returns_page(FoundDocumentSchema())
def search_documents(query: dict[str, Any]) -> Page:
    """Search the documents and notes of all patients, or list them, newest first.

    The answer is like that of one patient's documents. Documents of withdrawn patients are left
    out. With the PHI level `limited`, texts are masked, and `q` is answered with 403.
    """
    return _find_documents(query, is_patient_in_use=True)


@bp.get("/patients/<uuid:patient_id>/documents/<uuid:document_id>")
@requires(Permission.PATIENTS_READ)
@queries(DocumentTextQuerySchema())
@returns_version(DocumentTextSchema())
def show_document(patient_id: UUID, document_id: UUID, query: dict[str, Any]) -> Item:
    """Show a document with its text.

    The text comes in pages: those of a PDF, or of about equal length. One answer has up to about
    100,000 characters; `next_page` is the first of the pages after it. With `q`, `parts` marks the
    words that were found. With the PHI level `limited`, the text is masked.
    """
    PATIENTS.get(patient_id)
    search = _search_of(query)
    document = DOCUMENTS.get(document_id)
    if document["patient_id"] != patient_id:
        raise NotFound("There is no such document.")
    pages = read_pages(document_id, query["page"])
    following = pages[-1]["number"] + 1 if pages else None
    next_page = following if following and following <= document["page_count"] else None
    for page in pages:
        page["parts"] = None if search is None else mark_matches(page["text"], search)
    return {**document, "pages": pages, "next_page": next_page}


def _find_documents(query: Mapping[str, Any], **always: Any) -> Page:
    """Return a page of the documents that match a query and `always`."""
    search = _search_of(query)
    if search is None:
        page = DOCUMENTS.page(query, **always)
        for document in page["data"]:
            document["snippets"] = None
        return page
    narrowed = {**query, "q": search.document_query}
    if search.phrases:
        narrowed["phrases"] = list(search.phrases)
    if search.excluded_phrases:
        narrowed["excluded_phrases"] = list(search.excluded_phrases)
    page = FOUND_DOCUMENTS.page(narrowed, **always)
    _add_snippets(page["data"], search)
    return page


def _search_of(query: Mapping[str, Any]) -> Search | None:
    """Return the search of a query. Answers 403 if the caller may not see the text."""
    if "q" not in query:
        return None
    refuse_masked({"q"})
    return read_search(query["q"])


def _add_snippets(documents: Sequence[Item], search: Search) -> None:
    pages = find_pages([document["id"] for document in documents], search.page_query)
    for document in documents:
        snippets: list[Item] = []
        for number, text in pages.get(document["id"], ()):
            missing = MOST_SNIPPETS - len(snippets)
            snippets += [
                {"page": number, "parts": parts} for parts in make_snippets(text, search, missing)
            ]
        document["snippets"] = snippets
