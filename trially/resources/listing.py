"""Lists of the current tenant's rows, a page at a time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select

from trially.database.rows import Model, fetch_items, keyset_after, table_of
from trially.http.masking import refuse_masked
from trially.http.pages import Page, make_page, read_cursor
from trially.resources.scope import SITES, Scope, own_sites
from trially.tenancy.context import current_tenant

STATEMENTS_CACHED = 256

Filter = Callable[[BindParameter[Any]], ColumnElement[bool]]
"""Returns the condition of a filter, given the bind parameter of its value."""


class Shape(NamedTuple):
    """What distinguishes two statements of one list."""

    filters: frozenset[str]
    is_restricted: bool
    """The caller is restricted to sites."""

    is_continued: bool
    """The page begins after a cursor."""


class Listing:
    """One list: its columns, its order, its scope, and its filters.

    A statement is built once for each shape, because building one costs more than PostgreSQL needs
    to answer it. `order` names columns with "asc" or "desc"; together they must be unique and never
    null. `masked` columns cannot order the list, and filter it only for callers who see them.
    """

    def __init__(
        self,
        model: Model,
        columns: Sequence[ColumnElement[Any]],
        *,
        scope: Scope,
        order: Mapping[str, str],
        filters: Mapping[str, Filter],
        masked: Collection[str],
    ) -> None:
        if not order.keys().isdisjoint(masked):
            raise ValueError("A list ordered by a masked field would disclose it.")
        self._model = model
        self._columns = columns
        self._scope = scope
        self._order = order
        self._filters = filters
        self._masked = frozenset(masked)
        self._statement = lru_cache(STATEMENTS_CACHED)(self._build)

    def page(self, query: Mapping[str, Any], **always: Any) -> Page:
        """Return the page that `query` requests, of the rows that match it and `always`."""
        tenant_id = current_tenant().tenant_id
        position = read_cursor(tenant_id, query)
        shape, parameters = self._narrow({**query, **always})
        statement = self._statement(shape._replace(is_continued=position is not None))
        for name, value in zip(self._order, position or (), strict=False):
            parameters[_position_name(name)] = value
        limit = query["limit"]
        return make_page(
            fetch_items(statement, rows=limit + 1, **parameters),
            limit,
            tenant_id=tenant_id,
            position=list(self._order),
            query=query,
        )

    def count(self, query: Mapping[str, Any]) -> int:
        """Return the number of rows that match `query`."""
        shape, parameters = self._narrow(query)
        statement = (
            select(func.count().label("count"))
            .select_from(table_of(self._model))
            .where(*self._conditions(shape))
        )
        (item,) = fetch_items(statement, **parameters)
        return int(item["count"])

    def _narrow(self, values: Mapping[str, Any]) -> tuple[Shape, dict[str, Any]]:
        """Return the shape of the statement, and the parameters of its conditions."""
        names = frozenset(name for name in self._filters if name in values)
        refuse_masked(names & self._masked)
        parameters = {_filter_name(name): values[name] for name in names}
        parameters["tenant_id"] = current_tenant().tenant_id
        sites = own_sites()
        if sites is not None:
            parameters[SITES] = list(sites)
        return Shape(names, is_restricted=sites is not None, is_continued=False), parameters

    def _conditions(self, shape: Shape) -> list[ColumnElement[bool]]:
        conditions = [table_of(self._model).c.tenant_id == bindparam("tenant_id")]
        conditions += [
            self._filters[name](bindparam(_filter_name(name))) for name in sorted(shape.filters)
        ]
        if shape.is_restricted:
            conditions.append(self._scope.condition(bindparam(SITES, expanding=True)))
        return conditions

    def _build(self, shape: Shape) -> Select[Any]:
        columns = {column.key: column for column in self._columns}
        keys = [(_unlabelled(columns[name]), way) for name, way in self._order.items()]
        statement = (
            select(*self._columns)
            .where(*self._conditions(shape))
            .order_by(*(column.desc() if way == "desc" else column for column, way in keys))
            .limit(bindparam("rows"))
        )
        if shape.is_continued:
            position: list[BindParameter[Any]] = [
                bindparam(_position_name(name)) for name in self._order
            ]
            statement = statement.where(keyset_after(keys, position))
        return statement


def equals(column: ColumnElement[Any]) -> Filter:
    """Return the filter of rows whose column has the value."""
    return lambda value: column == value


def _filter_name(name: str) -> str:
    return f"filter_{name}"


def _position_name(name: str) -> str:
    return f"after_{name}"


def _unlabelled(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return getattr(column, "element", column)
