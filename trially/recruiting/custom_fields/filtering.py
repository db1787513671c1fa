"""Lists and searches that are narrowed by custom values."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, literal

from trially.http.codes import Code
from trially.http.masking import refuse_masked
from trially.http.problems import BadRequest, Problem, to_pointers, validation_failed
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.definitions import definitions_of, identifiers_among
from trially.recruiting.custom_fields.values import CUSTOM, Definition, UnfitValueError, Value

Errors = list[dict[str, str]]


def queried_values(resource: CustomResource, query: Mapping[str, Any]) -> dict[str, Value]:
    """Return the values that the custom filters of a query string name, by field.

    Answers 400 for an unknown field or a value that it cannot have, and 403 for a field that is
    masked for the caller.
    """
    return _read(resource, query.get(CUSTOM, {}), Definition.read, _invalid_parameters)


def searched_values(resource: CustomResource, body: Mapping[str, Any]) -> dict[str, Value]:
    """Return the values that the body of a search names. Answers 422 and 403 like that."""
    return _read(resource, body.get(CUSTOM, {}), _checked, validation_failed)


def has_values(
    column: Column[Any], resource: CustomResource, query: Mapping[str, Any]
) -> list[ColumnElement[bool]]:
    """Return the conditions of rows whose column has the values that a query names.

    It is for tables of few rows, because all of a tenant's rows are read.
    """
    wanted = queried_values(resource, query)
    return [column.contains(literal(wanted, column.type))] if wanted else []


def _read(
    resource: CustomResource,
    filters: Mapping[str, Any],
    read: Callable[[Definition, Any], Value],
    refused: Callable[[Errors], Problem],
) -> dict[str, Value]:
    if not filters:
        return {}
    known, problems = definitions_of(resource), {}
    refuse_masked(identifiers_among(known, filters))
    values: dict[str, Value] = {}
    for name, value in filters.items():
        if name not in known:
            problems[name] = "There is no such custom field."
            continue
        try:
            values[name] = read(known[name], value)
        except UnfitValueError as problem:
            problems[name] = str(problem)
    if problems:
        raise refused(list(to_pointers({CUSTOM: problems})))
    return values


def _checked(field: Definition, value: Any) -> Value:
    field.check(value)
    return value  # type: ignore[no-any-return]


def _invalid_parameters(errors: Errors) -> Problem:
    return BadRequest("A query parameter is invalid.", code=Code.INVALID_PARAMETER, errors=errors)
