"""Pages of the audit log, by the ids of its records."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from trially.database.rows import Item
from trially.http.pages import Page, make_page, read_cursor
from trially.tenancy.context import current_tenant


def position_in(query: Mapping[str, Any]) -> UUID | None:
    """Return the id of the last record before the page that a query asks for."""
    position = read_cursor(current_tenant().tenant_id, query)
    return None if position is None else UUID(position[0])


def page_of(query: Mapping[str, Any], entries: Sequence[Item]) -> Page:
    """Return a page of entries. One more entry shows that another page follows."""
    return make_page(
        entries,
        query["limit"],
        tenant_id=current_tenant().tenant_id,
        position=["id"],
        query=query,
    )


def cursor_after(entry: Item, query: Mapping[str, Any]) -> str:
    """Return the cursor of the page that begins after an entry."""
    page = page_of({**query, "limit": 1}, [entry, entry])
    return str(page["page"]["next"])
