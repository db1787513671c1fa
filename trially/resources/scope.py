"""The rows of a resource that a member restricted to sites may see: all others do not exist.

A `Resource` must name its scope. Rows about a patient cannot have the scope of the whole tenant.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Table,
    and_,
    bindparam,
    exists,
    select,
    true,
)

from trially.database.changes import PATIENT_TABLE, is_about_patients
from trially.database.placement import current_placement
from trially.database.rows import Model, table_of
from trially.database.session import db
from trially.http.problems import validation_failed
from trially.request_state import request_state

SITES = "own_sites"
"""Name of the bind parameter with the sites of a restricted member."""


class UnscopedResourceError(TypeError):
    """A resource about patients has no scope that restricts it to the member's sites."""


class Scope(Protocol):
    """Which rows a member restricted to sites may see and write."""

    def condition(self, sites: BindParameter[Any]) -> ColumnElement[bool]:
        """Return the condition that rows meet which belong to one of these sites."""

    def refuse_foreign(self, values: Mapping[str, Any], *, is_new: bool) -> None:
        """Answer 422 if a restricted member writes values that lead out of the member's sites."""

    def __contains__(self, table: Table) -> bool:
        """Return whether the scope holds rows of this table to sites, by one of its columns."""


class _WholeTenant:
    """Every member sees every row."""

    def condition(self, _sites: BindParameter[Any]) -> ColumnElement[bool]:
        return true()

    def refuse_foreign(self, _values: Mapping[str, Any], *, is_new: bool) -> None:
        pass

    def __contains__(self, _table: Table) -> bool:
        return False


class _OfSite:
    """A restricted member sees rows whose site is one of the member's."""

    def __init__(self, column: Column[Any]) -> None:
        self._column = column

    def condition(self, sites: BindParameter[Any]) -> ColumnElement[bool]:
        return self._column.in_(sites)

    def refuse_foreign(self, values: Mapping[str, Any], *, is_new: bool) -> None:
        name = self._column.name
        if (is_new or name in values) and not _is_own_site(values.get(name)):
            raise validation_failed(
                [{"pointer": f"/{name}", "detail": "Must be one of your sites."}]
            )

    def __contains__(self, table: Table) -> bool:
        return self._column.table is table


class _OfPatient:
    """A restricted member sees rows about patients whose site is one of the member's."""

    def __init__(self, column: Column[Any]) -> None:
        self._column = column
        self._patient = column.table.metadata.tables[PATIENT_TABLE]

    def condition(self, sites: BindParameter[Any]) -> ColumnElement[bool]:
        patient, row = self._patient.c, self._column.table.c
        return exists(
            select(1)
            .select_from(self._patient)
            .where(
                patient.tenant_id == row.tenant_id,
                patient.id == self._column,
                patient.site_id.in_(sites),
            )
        )

    def refuse_foreign(self, values: Mapping[str, Any], *, is_new: bool) -> None:
        name, sites = self._column.name, own_sites()
        if sites is None or not (is_new or name in values):
            return
        patient = self._patient.c
        is_own = select(1).where(
            patient.tenant_id == current_placement().tenant_id,
            patient.id == values.get(name),
            patient.site_id.in_(sites),
        )
        if db.session.execute(is_own).first() is None:
            # The detail of a patient that does not exist: a foreign patient must not differ.
            raise validation_failed(
                [{"pointer": f"/{name}", "detail": "There is no such patient."}]
            )

    def __contains__(self, table: Table) -> bool:
        return self._column.table is table


class _OfPatients:
    """A restricted member sees rows about several patients who all are of the member's sites."""

    def __init__(self, columns: tuple[Column[Any], ...]) -> None:
        self._scopes = [_OfPatient(column) for column in columns]

    def condition(self, sites: BindParameter[Any]) -> ColumnElement[bool]:
        return and_(*(scope.condition(sites) for scope in self._scopes))

    def refuse_foreign(self, values: Mapping[str, Any], *, is_new: bool) -> None:
        for scope in self._scopes:
            scope.refuse_foreign(values, is_new=is_new)

    def __contains__(self, table: Table) -> bool:
        return all(table in scope for scope in self._scopes)


WHOLE_TENANT: Scope = _WholeTenant()
"""Every member sees every row: only for rows that are not about patients."""


def of_site(column: Column[Any]) -> Scope:
    """Return the scope of rows that belong to the site in `column`."""
    return _OfSite(column)


def of_patient(column: Column[Any]) -> Scope:
    """Return the scope of rows about the patient in `column`, who belongs to a site."""
    return _OfPatient(column)


def of_patients(*columns: Column[Any]) -> Scope:
    """Return the scope of rows about the patients in several columns, all of whom must be seen."""
    return _OfPatients(columns)


def own_sites() -> frozenset[UUID] | None:
    """Return the sites that the caller is restricted to, or None if the caller sees all sites."""
    identity = request_state().identity
    if identity is None:
        raise RuntimeError("The request has not been authenticated.")
    return identity.site_ids


def scope_conditions(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that restrict a statement to the rows that the caller may see."""
    sites = own_sites()
    if sites is None:
        return ()
    return (scope.condition(bindparam(SITES, list(sites), expanding=True)),)


def refuse_unscoped(model: Model, scope: Scope) -> None:
    """Raise `UnscopedResourceError` if the model is about patients and the scope is not."""
    table = table_of(model)
    if is_about_patients(table) and table not in scope:
        raise UnscopedResourceError(
            f"{model.__name__} holds rows about patients, and its resource does not restrict them"
            " to the member's sites. Pass scope=of_patient(columns.patient_id), or"
            " of_site(columns.site_id) if the row itself has a site. A model without patient_id"
            " needs that column first."
        )


def _is_own_site(site_id: UUID | None) -> bool:
    sites = own_sites()
    return sites is None or site_id in sites
