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


def page_of(query: Mapping[str, Any], items: Sequence[Item], *, has_more: bool) -> Page:
    """Return a page of items, each of which has the id of its record."""
    return make_page(
        [*items, *items[-1:]] if has_more else items,
        len(items),
        tenant_id=current_tenant().tenant_id,
        position=["id"],
        query=query,
    )


def cursor_after(item: Item, query: Mapping[str, Any]) -> str:
    """Return the cursor of the page that begins after an item."""
    return str(page_of(query, [item], has_more=True)["page"]["next"])
