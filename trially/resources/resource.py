"""A resource: rows of one model that clients list, read, create, change and delete.

A room names its resource once, in its routes:

    SITES = Resource(Site, SiteSchema(), scope=WHOLE_TENANT)

Its views stay explicit functions, which call `page`, `get`, `create`, `change` and `delete`.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

from marshmallow import Schema
from sqlalchemy import ColumnElement

from trially.database.changes import AUDIT_NUMBER, is_about_patients, note_numbers
from trially.database.rows import (
    Item,
    Model,
    find_item,
    insert_item,
    insert_item_unless,
    lock_item,
    table_of,
)
from trially.http.etags import ETAG, Versions
from trially.http.masking import masked_names, refuse_masked, refuse_unmarked
from trially.http.merge_patch import apply_merge_patch
from trially.http.pages import Page
from trially.http.problems import NotFound
from trially.http.reading import refuse_excess
from trially.resources.listing import Filter, Listing
from trially.resources.optimistic_locking import change_seen, delete_seen
from trially.resources.scope import (
    Scope,
    UnscopedResourceError,
    refuse_unscoped,
    scope_conditions,
)
from trially.resources.sorting import SortKey

RESOURCES: list["Resource"] = []
"""Every resource of the API, in the order of import."""

OLDEST_FIRST = MappingProxyType({"id": "asc"})
"""Ids are UUIDs of version 7, which grow with time."""


class Resource:
    """The rows of a model as clients see them.

    `schema` describes an answer: each of its fields is a column of the model, or one of the
    `computed` columns, by label. `hidden` columns only order the list. `scope` says which rows a
    member restricted to sites may see. `name` is what error messages call a row; routes name its
    id `<name>_id`. `filters` are the query parameters of its list, `order` the keys of its own
    order, as in `Listing`, and `sorts` the keys that clients may sort it by.

    If one of these fails, the app does not start: `UnscopedResourceError` if there is no scope, or
    the model is about patients and the scope is not; `UnmarkedFieldError` if the model is about
    patients and a field of the schema has no PHI mark; `TypeError` if a field has no column, or
    does not allow the null that its column allows, or the rows have versions and the schema does
    not show them.
    """

    def __new__(cls, model: Model, *_schema: Schema, **options: Any) -> Self:
        """Explain what Python would only call a missing argument."""
        if "scope" not in options:
            raise UnscopedResourceError(
                f"The resource of {model.__name__} names no scope. Pass"
                " scope=of_patient(columns.patient_id), scope=of_site(columns.site_id), or"
                " scope=WHOLE_TENANT if no row is about a patient."
            )
        return super().__new__(cls)

    def __init__(
        self,
        model: Model,
        schema: Schema,
        *,
        scope: Scope,
        name: str | None = None,
        order: Mapping[str, str] = OLDEST_FIRST,
        sorts: Mapping[str, SortKey] = MappingProxyType({}),
        filters: Mapping[str, Filter] = MappingProxyType({}),
        computed: Sequence[ColumnElement[Any]] = (),
        hidden: Sequence[ColumnElement[Any]] = (),
    ) -> None:
        refuse_unscoped(model, scope)
        if is_about_patients(table_of(model)):
            refuse_unmarked(schema)
        self.model = model
        self._schema = schema
        self.name = name or table_of(model).name
        self.masked = masked_names(schema)
        self.sorts = sorts
        labelled = {column.key: column for column in computed}
        is_versioned = "version" in table_of(model).c
        shown = [field for field in schema.fields if field != ETAG]
        names = [field for field in shown if field not in labelled]
        _refuse_missing_columns(model, schema, names)
        _refuse_hidden_nulls(model, schema, names)
        _refuse_hidden_version(model, schema, is_versioned=is_versioned)
        self._scope = scope
        versions = ("version",) if is_versioned else ()
        self._names = (*names, *versions)
        numbers = (AUDIT_NUMBER,) if AUDIT_NUMBER in table_of(model).c else ()
        self._read_names = (*self._names, *numbers)
        self._listing = Listing(
            model,
            [
                *(
                    labelled[field] if field in labelled else table_of(model).c[field]
                    for field in (*shown, *versions, *numbers)
                ),
                *hidden,
            ],
            scope=scope,
            order=order,
            sorts=sorts,
            filters=filters,
            masked=self.masked,
            hidden=[str(column.key) for column in hidden],
        )
        RESOURCES.append(self)

    @property
    def id_argument(self) -> str:
        """The argument of a route that names one row."""
        return f"{self.name}_id"

    def page(
        self,
        query: Mapping[str, Any],
        narrowed_by: Sequence[ColumnElement[bool]] = (),
        **always: Any,
    ) -> Page:
        """Return the page that `query` requests, of the rows that match it and `always`.

        The rows also meet the conditions `narrowed_by`.
        """
        return self._listing.page(query, narrowed_by, **always)

    def pick(self, ids: Collection[UUID]) -> dict[UUID, Item]:
        """Return the rows with these ids that the caller may see, by id."""
        return self._listing.pick(ids)

    def conditions(self, query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        """Return the conditions of the filters that `query` names, and of the caller's sites."""
        return [*self._listing.conditions(query), *scope_conditions(self._scope)]

    def count(
        self, query: Mapping[str, Any], narrowed_by: Sequence[ColumnElement[bool]] = ()
    ) -> int:
        """Return the number of rows that match `query` and meet the conditions `narrowed_by`."""
        return self._listing.count(query, narrowed_by)

    def get(self, item_id: UUID) -> Item:
        """Return a row that the caller may see, or answer 404."""
        conditions = scope_conditions(self._scope)
        item = self._or_404(find_item(self.model, item_id, self._read_names, *conditions))
        if AUDIT_NUMBER in item:
            note_numbers([item])
        return item

    def visible(self, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Return those of these rows that the caller may see."""
        conditions = scope_conditions(self._scope)
        return [
            item_id
            for item_id in ids
            if find_item(self.model, item_id, ("id",), *conditions) is not None
        ]

    def create(self, values: Mapping[str, Any]) -> Item:
        """Insert a row and return it. Answers 422 if it would lie outside the caller's sites."""
        self._scope.refuse_foreign(values, is_new=True)
        return insert_item(self.model, values, self._names)

    def create_unless(
        self, condition: ColumnElement[bool], values: Mapping[str, Any]
    ) -> Item | None:
        """Insert a row as `create` does; return None if a condition holds.

        See `insert_item_unless`.
        """
        self._scope.refuse_foreign(values, is_new=True)
        return insert_item_unless(condition, self.model, values, self._names)

    def change(
        self,
        item_id: UUID,
        versions: Versions | None,
        values: Mapping[str, Any],
        derived: Mapping[str, Any] = MappingProxyType({}),
    ) -> Item:
        """Change a row and return it. `derived` values follow from what the caller changes.

        Answers 404 if the caller may not see the row, 412 if it has another version, 403 if
        `values` name a field that is masked for the caller, and 422 if the row would leave the
        caller's sites.
        """
        refuse_masked(self.masked & values.keys())
        self._scope.refuse_foreign(values, is_new=False)
        conditions = scope_conditions(self._scope)
        return self._or_404(
            change_seen(
                self.model, item_id, versions, {**values, **derived}, self._names, *conditions
            )
        )

    def merged(self, item_id: UUID, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a merge patch, with its objects merged into those of the row.

        A null within an object removes a member of the stored object (RFC 7396). What results is
        checked as if a client had sent it whole. The row is locked until the transaction ends, so
        that two patches of one object do not undo each other. Answers 404 and 403 as `change` does.
        """
        objects = [name for name, value in patch.items() if isinstance(value, dict)]
        if not objects:
            return dict(patch)
        refuse_masked(self.masked & patch.keys())
        conditions = scope_conditions(self._scope)
        stored = self._or_404(lock_item(self.model, item_id, objects, *conditions))
        merged = {name: apply_merge_patch(stored[name], patch[name]) for name in objects}
        refuse_excess(merged)
        self._schema.load(merged, partial=True)
        return {**patch, **merged}

    def delete(self, item_id: UUID, versions: Versions | None) -> None:
        """Delete a row, or answer 404 or 412 as `change` does."""
        conditions = scope_conditions(self._scope)
        if not delete_seen(self.model, item_id, versions, *conditions):
            raise self.not_found()

    def _or_404(self, item: Item | None) -> Item:
        if item is None:
            raise self.not_found()
        return item

    def not_found(self) -> NotFound:
        """Return the answer 404 for a row that does not exist, or that the caller may not see."""
        return NotFound(f"There is no such {self.name.replace('_', ' ')}.")


def _refuse_missing_columns(model: Model, schema: Schema, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table_of(model).c]
    if missing:
        raise TypeError(
            f"{type(schema).__name__}.{missing[0]} is no column of {model.__name__}. Add the"
            f" column, or pass `computed=[….label({missing[0]!r})]`."
        )


def _refuse_hidden_nulls(model: Model, schema: Schema, names: Sequence[str]) -> None:
    for name in names:
        if table_of(model).c[name].nullable and not schema.fields[name].allow_none:
            raise TypeError(
                f"{type(schema).__name__}.{name} does not allow null, but its column does. Add"
                " allow_none=True to the field, or nullable=False to the column."
            )


def _refuse_hidden_version(model: Model, schema: Schema, *, is_versioned: bool) -> None:
    if is_versioned is not (ETAG in schema.fields):
        raise TypeError(
            f"{type(schema).__name__} does not show the version of a {model.__name__}, which a"
            " client needs to change the row. Add `etag = EntityTag()`."
            if is_versioned
            else f"{type(schema).__name__} has the field etag, but a {model.__name__} has no"
            " version. Remove the field, or make the model `Versioned`."
        )
