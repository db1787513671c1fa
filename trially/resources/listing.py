"""Lists of the current tenant's rows, a page at a time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select

from trially.database.rows import Model, fetch_items, keyset_after, table_of
from trially.http.masking import refuse_masked
from trially.http.pages import Page, make_page, read_cursor
from trially.resources.scope import own_sites
from trially.tenancy.context import current_tenant

Filter = Callable[[BindParameter[Any]], ColumnElement[bool]]
"""What a query parameter narrows a list to, given the parameter."""


class Listing:
    """One list: what it shows of a model's rows, in which order, and what can narrow it.

    Its statements are built once for each combination of filters, because building one costs
    more than the server takes to answer it. `order` names columns with "asc" or "desc"; together
    they must be unique and never null. `site` is the column, if any, that holds the list to a
    restricted caller's sites. By a `masked` column nothing is ordered, and only callers who are
    shown it may narrow the list.
    """

    def __init__(
        self,
        model: Model,
        columns: Sequence[ColumnElement[Any]],
        *,
        order: Mapping[str, str],
        filters: Mapping[str, Filter],
        site: ColumnElement[Any] | None = None,
        masked: Collection[str] = (),
    ) -> None:
        if not order.keys().isdisjoint(masked):
            raise ValueError("The order of a list would tell what is masked.")
        self._model = model
        self._columns = columns
        self._order = order
        self._filters = filters
        self._site = site
        self._masked = frozenset(masked)
        self._statements: dict[tuple[frozenset[str], bool, bool], Select[Any]] = {}

    def page(self, query: Mapping[str, Any], **always: Any) -> Page:
        """Return the page that `query` asks for, narrowed by it and by what holds `always`."""
        tenant_id = current_tenant().tenant_id
        position = read_cursor(tenant_id, query)
        wanted, parameters = self._narrow({**query, **always})
        statement = self._statement(wanted, position is not None, "own_sites" in parameters)
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
        """Return how many rows there are, narrowed by `query`."""
        wanted, parameters = self._narrow(query)
        statement = (
            select(func.count().label("count"))
            .select_from(table_of(self._model))
            .where(*self._conditions(wanted, "own_sites" in parameters))
        )
        (item,) = fetch_items(statement, **parameters)
        return int(item["count"])

    def _narrow(self, given: Mapping[str, Any]) -> tuple[frozenset[str], dict[str, Any]]:
        """Return the filters that are asked for, and the parameters of them all."""
        wanted = frozenset(name for name in self._filters if name in given)
        refuse_masked(wanted & self._masked)
        parameters = {_bind_name(name): given[name] for name in wanted}
        parameters["tenant_id"] = current_tenant().tenant_id
        sites = None if self._site is None else own_sites()
        if sites is not None:
            parameters["own_sites"] = list(sites)
        return wanted, parameters

    def _conditions(
        self,
        wanted: frozenset[str],
        is_restricted: bool,  # noqa: FBT001
    ) -> list[ColumnElement[bool]]:
        conditions = [table_of(self._model).c.tenant_id == bindparam("tenant_id")]
        conditions += [self._filters[name](bindparam(_bind_name(name))) for name in sorted(wanted)]
        if is_restricted and self._site is not None:
            conditions.append(self._site.in_(bindparam("own_sites", expanding=True)))
        return conditions

    def _statement(
        self,
        wanted: frozenset[str],
        is_further: bool,  # noqa: FBT001
        is_restricted: bool,  # noqa: FBT001
    ) -> Select[Any]:
        key = (wanted, is_further, is_restricted)
        known = self._statements.get(key)
        if known is None:
            known = self._statements[key] = self._build(*key)
        return known

    def _build(
        self,
        wanted: frozenset[str],
        is_further: bool,  # noqa: FBT001
        is_restricted: bool,  # noqa: FBT001
    ) -> Select[Any]:
        shown = {column.key: column for column in self._columns}
        keys = [(_unlabelled(shown[name]), way) for name, way in self._order.items()]
        statement = (
            select(*self._columns)
            .where(*self._conditions(wanted, is_restricted))
            .order_by(*(column.desc() if way == "desc" else column for column, way in keys))
            .limit(bindparam("rows"))
        )
        if is_further:
            position: list[BindParameter[Any]] = [
                bindparam(_position_name(name)) for name in self._order
            ]
            statement = statement.where(keyset_after(keys, position))
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
