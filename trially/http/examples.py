"""Examples of requests and responses, made of the examples of their schemas' fields.

A field of text names its example where it is declared: `text(column, example="Omaha")`, or
`metadata={EXAMPLE: "Omaha"}`. Fields of other types have an example by their type.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, missing, validate

from trially.http.fields import EXAMPLE

ID = "019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa"

_BY_TYPE: Mapping[type[fields.Field[Any]], Any] = {
    fields.UUID: ID,
    fields.AwareDateTime: "2026-03-02T09:30:00Z",
    fields.Date: "2026-03-02",
    fields.Boolean: False,
    fields.Integer: 1,
    fields.Float: 1.5,
}


_ARGUMENTS: Mapping[str, str] = {
    "resource_type": "User",
    "scim_schema": "urn:ietf:params:scim:schemas:core:2.0:User",
    "alert_rule": "bulk_reads",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "field": "phone",
    "organisation": "midwest",
    "plan": "pro",
    "server": "default",
    "slug": "acme",
    "version": "1",
    "other_version": "2",
}
"""Examples of arguments of paths that are no ids."""


class MissingExampleError(TypeError):
    """A field of text has no example, so that the OpenAPI document would show `string`."""


def example_of_answer(schema: Schema) -> dict[str, Any]:
    """Return an item as a response shows it."""
    return {
        name: _example_of(schema, name, field)
        for name, field in schema.fields.items()
        if not field.load_only
    }


def example_of_body(schema: Schema) -> dict[str, Any]:
    """Return a body that the API accepts.

    Ids of other records are left out, because an example cannot know them. A patch names the
    members that a body may leave out.
    """
    return {
        name: _example_of(schema, name, field)
        for name, field in schema.fields.items()
        if not (field.dump_only or _is_left_out(schema, field))
    }


def example_of_argument(kind: str, name: str) -> str:
    """Return the example of an argument of a path; `kind` is its converter."""
    if kind == "uuid":
        return ID
    if name not in _ARGUMENTS:
        raise MissingExampleError(
            f"The argument {name!r} of a path has no example for the OpenAPI document. Add it to"
            " _ARGUMENTS in trially/http/examples.py."
        )
    return _ARGUMENTS[name]


def example_of_parameter(field: fields.Field[Any]) -> Any:
    """Return the example of a query parameter, or `missing` if it has none of its own."""
    return field.metadata.get(EXAMPLE, missing)


def _is_left_out(schema: Schema, field: fields.Field[Any]) -> bool:
    return (
        (_is_reference(field) and not field.required)
        or (field.load_default is None)
        or (bool(schema.partial) and field.required)
    )


def _is_reference(field: fields.Field[Any]) -> bool:
    """Return whether a field holds ids of other records."""
    return isinstance(field.inner if isinstance(field, fields.List) else field, fields.UUID)


def _example_of(schema: Schema, name: str, field: fields.Field[Any]) -> Any:
    if EXAMPLE in field.metadata:
        return field.metadata[EXAMPLE]
    if isinstance(field, fields.Nested):
        return example_of_answer(field.schema)
    if isinstance(field, fields.List):
        return [_example_of(schema, name, field.inner)]
    if field.load_default is not missing:
        return field.load_default
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            return next(iter(validator.choices))
    for kind, example in _BY_TYPE.items():
        if isinstance(field, kind):
            return example
    raise MissingExampleError(
        f"{type(schema).__name__}.{name} has no example for the OpenAPI document. Add"
        " example=… to the field, or EXAMPLE to its metadata."
    )
