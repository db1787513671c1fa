"""Lists of the current tenant's rows, a page at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, select

from trially.database.rows import Model, after, fetch_items, table_of
from trially.http.pages import Page, make_page, read_cursor
from trially.tenancy.context import current_tenant

Filter = Callable[[BindParameter[Any]], ColumnElement[bool]]
"""What a query parameter narrows a list to, given the parameter."""


class Listing:
    """One list: what it shows of a model's rows, in which order, and what can narrow it.

    Its statements are built once for each combination of filters, because building one costs
    more than the server takes to answer it. `order` names columns with "asc" or "desc"; together
    they must be unique and never null.
    """

    def __init__(
        self,
        model: Model,
        columns: Sequence[ColumnElement[Any]],
        *,
        order: Mapping[str, str],
        filters: Mapping[str, Filter],
    ) -> None:
        self._model = model
        self._columns = columns
        self._order = order
        self._filters = filters
        self._statements: dict[tuple[frozenset[str], bool], Select[Any]] = {}

    def page(self, query: Mapping[str, Any], **always: Any) -> Page:
        """Return the page that `query` asks for, narrowed by it and by what holds `always`."""
        tenant_id = current_tenant().tenant_id
        position = read_cursor(tenant_id, query)
        given = {**query, **always}
        wanted = frozenset(name for name in self._filters if name in given)
        statement = self._statement(wanted, is_further=position is not None)
        parameters = {_bind_name(name): given[name] for name in wanted}
        for name, value in zip(self._order, position or (), strict=False):
            parameters[_position_name(name)] = value
        limit = query["limit"]
        return make_page(
            fetch_items(statement, tenant_id=tenant_id, rows=limit + 1, **parameters),
            limit,
            tenant_id=tenant_id,
            position=list(self._order),
            query=query,
        )

    def _statement(self, wanted: frozenset[str], *, is_further: bool) -> Select[Any]:
        known = self._statements.get((wanted, is_further))
        if known is None:
            known = self._statements[wanted, is_further] = self._build(wanted, is_further)
        return known

    def _build(self, wanted: frozenset[str], is_further: bool) -> Select[Any]:  # noqa: FBT001
        shown = {column.key: column for column in self._columns}
        keys = [(_unlabelled(shown[name]), way) for name, way in self._order.items()]
        statement = (
            select(*self._columns)
            .where(table_of(self._model).c.tenant_id == bindparam("tenant_id"))
            .where(*(self._filters[name](bindparam(_bind_name(name))) for name in sorted(wanted)))
            .order_by(*(column.desc() if way == "desc" else column for column, way in keys))
            .limit(bindparam("rows"))
        )
        if is_further:
            position: list[BindParameter[Any]] = [
                bindparam(_position_name(name)) for name in self._order
            ]
            statement = statement.where(after(keys, position))
        return statement


def equals(column: ColumnElement[Any]) -> Filter:
    """Narrow a list to rows whose column has the value given."""
    return lambda value: column == value


def _bind_name(name: str) -> str:
    return f"filter_{name}"


def _position_name(name: str) -> str:
    return f"after_{name}"


def _unlabelled(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return getattr(column, "element", column)
