"""Pages of lists by number: RFC 7644, section 3.4.2.4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from trially.database.rows import Item, Model, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.scim.schema import MOST_COUNT


@dataclass(frozen=True)
class ScimPage:
    """Some rows, the number of all that match, and the number of the first one, from 1."""

    rows: Sequence[Item]
    total: int
    start: int


def page_of(
    model: Model,
    statement: Select[Any],
    query: Mapping[str, Any],
    conditions: Sequence[ColumnElement[bool]],
) -> ScimPage:
    """Return the page of rows of the current tenant that a query requests, in the order of ids.

    As RFC 7644 says, a start below 1 is 1, and a negative count is 0.
    """
    start, count = max(query["start_index"], 1), min(max(query["count"], 0), MOST_COUNT)
    rules = [of_current_tenant(model), *conditions]
    total = db.session.scalar(select(func.count()).select_from(table_of(model)).where(*rules)) or 0
    rows = fetch_items(
        statement.where(*rules).order_by(table_of(model).c.id).offset(start - 1).limit(count)
    )
    return ScimPage(rows, total, start)
