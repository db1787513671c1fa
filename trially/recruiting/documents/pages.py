"""Read the pages of documents that the caller may see."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import TSQUERY

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.recruiting.documents.model import DocumentPage
from trially.recruiting.documents.snippets import MOST_SNIPPETS

MOST_PAGES_SHOWN = 50
MOST_CHARACTERS_SHOWN = 100_000
"""An answer has at least one page, and no further page after so many characters."""

_pages = table_of(DocumentPage).c


def read_pages(document_id: UUID, first: int) -> list[Item]:
    """Return pages of a document from the first one on: `number` and `text`."""
    # PostgreSQL sums the lengths, so that it sends no text which the answer leaves out.
    before = func.coalesce(
        func.sum(func.length(_pages.content)).over(order_by=_pages.number, rows=(None, -1)), 0
    )
    rows = (
        select(_pages.number, _pages.content.label("text"), before.label("before"))
        .where(
            of_current_tenant(DocumentPage),
            _pages.document_id == document_id,
            _pages.number.between(first, first + MOST_PAGES_SHOWN - 1),
        )
        .subquery()
    )
    shown = fetch_items(
        select(rows.c.number, rows.c.text)
        .where(rows.c.before < MOST_CHARACTERS_SHOWN)
        .order_by(rows.c.number)
    )
    # The names of a subquery's columns are no plain strings, as orjson wants them.
    return [{"number": page["number"], "text": page["text"]} for page in shown]


def find_pages(document_ids: Sequence[UUID], query: str) -> dict[UUID, list[tuple[int, str]]]:
    """Return the first pages of each document that match a tsquery, with their numbers."""
    if not document_ids:
        return {}
    number = func.row_number().over(partition_by=_pages.document_id, order_by=_pages.number)
    rows = (
        select(_pages.document_id, _pages.number, _pages.content, number.label("place"))
        .where(
            of_current_tenant(DocumentPage),
            _pages.document_id.in_(document_ids),
            _pages.search.op("@@", is_comparison=True)(cast(query, TSQUERY)),
        )
        .subquery()
    )
    found: dict[UUID, list[tuple[int, str]]] = {}
    for row in fetch_items(
        select(rows.c.document_id, rows.c.number, rows.c.content)
        .where(rows.c.place <= MOST_SNIPPETS)
        .order_by(rows.c.document_id, rows.c.number)
    ):
        found.setdefault(row["document_id"], []).append((row["number"], row["content"]))
    return found
