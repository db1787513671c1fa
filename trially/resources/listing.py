"""Lists of the current tenant's rows, a page at a time."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, literal, select

from trially.database.changes import AUDIT_NUMBER, note_numbers
from trially.database.fixed_statements import FixedStatement
from trially.database.rows import Model, fetch_fixed, fetch_items, keyset_after, table_of
from trially.http.fields import Sorting
from trially.http.masking import refuse_masked
from trially.http.pages import Page, make_page, read_cursor
from trially.resources.encrypted_fields import refuse_encrypted_order
from trially.resources.scope import SITES, Scope, own_sites
from trially.resources.sorting import SortKey
from trially.tenancy.context import current_tenant

STATEMENTS_CACHED = 256

_SORTED = "sorted_by_"
"""Begins the labels of the values that rows are sorted by."""

Filter = Callable[[BindParameter[Any]], ColumnElement[bool]]
"""Returns the condition of a filter, given the bind parameter of its value."""


class Shape(NamedTuple):
    """What distinguishes two statements of one list."""

    filters: frozenset[str]
    is_restricted: bool
    """The caller is restricted to sites."""

    is_continued: bool = False
    """The page begins after a cursor."""

    sorting: Sorting = ()
    """Sort keys that the caller named. Without any, the list has its own order."""


class Listing:
    """One list: its columns, its order, its sort keys, its scope, and its filters.

    A statement is built once for each shape, because building one costs more than PostgreSQL needs
    to answer it. `order` names columns with "asc" or "desc"; together they must be unique and never
    null. `hidden` columns only order the list, and are not shown. `masked` fields cannot order the
    list. They filter and sort it only for callers who see them.
    """

    def __init__(
        self,
        model: Model,
        columns: Sequence[ColumnElement[Any]],
        *,
        scope: Scope,
        order: Mapping[str, str],
        sorts: Mapping[str, SortKey],
        filters: Mapping[str, Filter],
        masked: Collection[str],
        hidden: Collection[str] = (),
    ) -> None:
        if not order.keys().isdisjoint(masked):
            raise ValueError("A list ordered by a masked field would disclose it.")
        self._model = model
        self._columns = columns
        self._scope = scope
        by_name = {column.key: column for column in columns}
        self._has_numbers = AUDIT_NUMBER in by_name
        self._own_keys = {name: (_unlabelled(by_name[name]), way) for name, way in order.items()}
        self._hidden = frozenset(hidden)
        self._sorts = sorts
        self._filters = filters
        self._masked = frozenset(masked)
        self._statement = lru_cache(STATEMENTS_CACHED)(self._build)
        self._fixed = lru_cache(STATEMENTS_CACHED)(self._build_fixed)
        self._counting = lru_cache(STATEMENTS_CACHED)(self._build_count)

    def page(
        self,
        query: Mapping[str, Any],
        narrowed_by: Sequence[ColumnElement[bool]] = (),
        **always: Any,
    ) -> Page:
        """Return the page that `query` requests, of the rows that match it and `always`.

        The rows also meet the conditions `narrowed_by`, which no filter can express.
        """
        shape, parameters = self._narrow({**query, **always})
        sorting = self._visible(query.get("sort", ()))
        tenant_id, limit = parameters["tenant_id"], query["limit"]
        after = read_cursor(tenant_id, query)
        total = self._count(shape, parameters, narrowed_by) if query.get("total") else None
        shape = shape._replace(is_continued=after is not None, sorting=sorting)
        keys = self._keys(sorting)
        parameters |= {
            _position_name(name): value for name, value in zip(keys, after or (), strict=False)
        }
        page = make_page(
            self._fetch(shape, narrowed_by, rows=limit + 1, **parameters),
            limit,
            tenant_id=tenant_id,
            position=list(keys),
            query=query,
        )
        self._note_numbers(page["data"])
        if removed := [key for key in keys if key.startswith(_SORTED)] + list(self._hidden):
            _remove_values(page["data"], removed)
        if total is not None:
            page["page"]["total"] = total
        return page

    def count(
        self, query: Mapping[str, Any], narrowed_by: Sequence[ColumnElement[bool]] = ()
    ) -> int:
        """Return the number of rows that match `query` and meet the conditions `narrowed_by`."""
        return self._count(*self._narrow(query), narrowed_by)

    def pick(self, ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
        """Return the rows with these ids that the caller may see, by id."""
        shape, parameters = self._narrow({})
        condition = table_of(self._model).c.id.in_(ids)
        items = fetch_items(
            _narrow_more(self._statement(shape), [condition]), rows=len(ids), **parameters
        )
        self._note_numbers(items)
        return {item["id"]: item for item in items}

    def conditions(self, query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        """Return the conditions of the filters that `query` names, for statements of other tables.

        Those of the scope are not among them. Answers 403 if a filter is masked for the caller.
        """
        names = [name for name in self._filters if name in query]
        refuse_masked(self._masked.intersection(names))
        return [self._filters[name](literal(query[name])) for name in names]

    def _fetch(
        self, shape: Shape, narrowed_by: Sequence[ColumnElement[bool]], **parameters: Any
    ) -> list[dict[str, Any]]:
        """Return the rows of a page. Lists of sites have any length, so these are not fixed."""
        if shape.is_restricted or narrowed_by:
            return fetch_items(_narrow_more(self._statement(shape), narrowed_by), **parameters)
        return fetch_fixed(self._fixed(shape), **parameters)

    def _note_numbers(self, items: Sequence[dict[str, Any]]) -> None:
        """Note the audit numbers of patients, if this is a list of patients."""
        if self._has_numbers:
            note_numbers(items)

    def _count(
        self,
        shape: Shape,
        parameters: Mapping[str, Any],
        narrowed_by: Sequence[ColumnElement[bool]] = (),
    ) -> int:
        (item,) = fetch_items(_narrow_more(self._counting(shape), narrowed_by), **parameters)
        return int(item["count"])

    def _visible(self, sorting: Sorting) -> Sorting:
        """Return the sort keys.

        Answers 403 if their order would disclose a masked field, and 422 for an encrypted one.
        """
        for name, _ in sorting:
            refuse_masked(self._sorts[name].fields & self._masked)
            refuse_encrypted_order(self._model, self._sorts[name].fields)
        return sorting

    def _narrow(self, values: Mapping[str, Any]) -> tuple[Shape, dict[str, Any]]:
        """Return the shape of the statement, and the parameters of its conditions."""
        names = frozenset(name for name in self._filters if name in values)
        refuse_masked(names & self._masked)
        parameters = {_filter_name(name): values[name] for name in names}
        parameters["tenant_id"] = current_tenant().tenant_id
        sites = own_sites()
        if sites is not None:
            parameters[SITES] = list(sites)
        return Shape(names, is_restricted=sites is not None), parameters

    def _conditions(self, shape: Shape) -> list[ColumnElement[bool]]:
        conditions = [table_of(self._model).c.tenant_id == bindparam("tenant_id")]
        conditions += [
            self._filters[name](bindparam(_filter_name(name))) for name in sorted(shape.filters)
        ]
        if shape.is_restricted:
            conditions.append(self._scope.condition(bindparam(SITES, expanding=True)))
        return conditions

    def _build_count(self, shape: Shape) -> Select[Any]:
        return (
            select(func.count().label("count"))
            .select_from(table_of(self._model))
            .where(*self._conditions(shape))
        )

    def _build(self, shape: Shape) -> Select[Any]:
        keys = self._keys(shape.sorting)
        added = [column.label(name) for name, (column, _) in keys.items() if shape.sorting]
        statement = (
            select(*self._columns, *(column for column in added if column.key != "id"))
            .where(*self._conditions(shape))
            .order_by(
                *(column.desc() if way == "desc" else column for column, way in keys.values())
            )
            .limit(bindparam("rows"))
        )
        if shape.is_continued:
            position: list[BindParameter[Any]] = [bindparam(_position_name(name)) for name in keys]
            statement = statement.where(keyset_after(list(keys.values()), position))
        return statement

    def _build_fixed(self, shape: Shape) -> FixedStatement:
        return FixedStatement(self._build(shape))

    def _keys(self, sorting: Sorting) -> dict[str, tuple[ColumnElement[Any], str]]:
        """Return the expressions that the list is ordered by, with their names and directions."""
        if not sorting:
            return self._own_keys
        expressions = [
            (expression, way)
            for name, way in sorting
            for expression in self._sorts[name].expressions
        ]
        keys = {f"{_SORTED}{number}": key for number, key in enumerate(expressions)}
        # Rows that are alike in all sort keys are ordered by their ids, in the last direction: so
        # the index of the last key has the order.
        return {**keys, "id": (table_of(self._model).c.id, sorting[-1][1])}


def equals(column: ColumnElement[Any]) -> Filter:
    """Return the filter of rows whose column has the value."""
    return lambda value: column == value


def _narrow_more(statement: Select[Any], conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return statement.where(*conditions) if conditions else statement


def _remove_values(items: Sequence[dict[str, Any]], names: Iterable[str]) -> None:
    """Remove from the items the values that only the cursor needs."""
    for name in names:
        for item in items:
            del item[name]


def _filter_name(name: str) -> str:
    return f"filter_{name}"


def _position_name(name: str) -> str:
    return f"after_{name}"


def _unlabelled(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return getattr(column, "element", column)
