"""Lists of the current tenant's rows, a page at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, SQLColumnExpression

from trially.database.rows import after, fetch_items
from trially.http.pages import Page, make_page, read_cursor
from trially.tenancy.context import current_tenant

Keys = Sequence[tuple[str, SQLColumnExpression[Any], str]]
"""What a list is ordered by: each key's name in the item, its column, and "asc" or "desc"."""


def list_page(statement: Select[Any], keys: Keys, query: Mapping[str, Any]) -> Page:
    """Return the page of `statement` that `query` asks for, ordered by `keys`.

    The keys together must be unique and never null. Reads one row more than it shows.
    """
    tenant_id = current_tenant().tenant_id
    position = read_cursor(tenant_id, query)
    ordering = [(column, direction) for _, column, direction in keys]
    if position is not None:
        statement = statement.where(after(ordering, position))
    statement = statement.order_by(
        *(column.desc() if direction == "desc" else column for column, direction in ordering)
    ).limit(query["limit"] + 1)
    return make_page(
        fetch_items(statement),
        query["limit"],
        tenant_id=tenant_id,
        position=[name for name, _, _ in keys],
        query=query,
    )
