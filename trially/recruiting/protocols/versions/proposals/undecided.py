"""Proposals that are neither accepted nor rejected. They hinder the activation of a version."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.recruiting.protocols.documents.places import page_at
from trially.recruiting.protocols.documents.reading import starts_of_pages
from trially.recruiting.protocols.versions.expressions import Finding
from trially.recruiting.protocols.versions.proposals.model import CriterionProposal, ProposalState

MOST_NAMED = 20
"""Proposals that are named one by one. Of all others, only the number is said."""

LONGEST_QUOTE = 80

_columns = table_of(CriterionProposal).c


def count_undecided(version_id: UUID) -> int:
    """Return how many proposals of a version are neither accepted nor rejected."""
    statement = select(func.count().label("number")).select_from(table_of(CriterionProposal))
    [row] = fetch_items(statement.where(*_open(version_id)))
    return int(row["number"])


def undecided_of(version_id: UUID) -> Iterator[Finding]:
    """Yield how many proposals of a version are not decided, and where the first of them are."""
    names = ("id", "statement", "document_id", "place_start")
    rows = fetch_items(
        select(*(_columns[name] for name in names))
        .where(*_open(version_id))
        .order_by(_columns.position, _columns.id)
        .limit(MOST_NAMED)
    )
    if not rows:
        return
    number = count_undecided(version_id)
    are = "proposal is" if number == 1 else "proposals are"
    yield {
        "pointer": "/proposals",
        "detail": f"{number} {are} neither accepted nor rejected. Decide in a draft.",
    }
    starts = starts_of_pages({row["document_id"] for row in rows} - {None})
    for row in rows:
        pages = starts.get(row["document_id"])
        where = f", page {page_at(pages, row['place_start'])}" if pages else ""
        detail = f"Not decided: {_quoted(row)}{where}."
        yield {"pointer": f"/proposals/{row['id']}", "detail": detail}


def _open(version_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        of_current_tenant(CriterionProposal),
        _columns.protocol_version_id == version_id,
        _columns.state == ProposalState.OPEN,
    )


def _quoted(row: Item) -> str:
    words = " ".join(str(row["statement"]).split())
    cut = words if len(words) <= LONGEST_QUOTE else f"{words[:LONGEST_QUOTE]}…"
    return f"“{cut}”"
