"""The names of the fields that are masked in an item: a client can tell masked from unknown.

The names depend on the masked item alone, so they disclose nothing that the mask hides:

- An identifier is always named: its masked value is null, whatever was stored.
- A code, or text from a value set, is named if its masked value is null. It may also be unknown.
- A custom field that the tenant calls an identifier is always named: `custom.NAME`.
- A date, its precision and a postal code are named if they are not null. They are less precise.

A field of a nested object is named by its path, such as `address.city`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from marshmallow import Schema, fields

from trially.http.fields import OpenObject
from trially.phi import MARK, Phi

MASKED_FIELDS = "masked_fields"
"""The member of an item that names its masked fields."""

Names = Callable[[Any], list[str]]

MASKED_TO_NULL = frozenset({Phi.IDENTIFIER, Phi.CODE, Phi.VALUE_SET})
"""Marks of fields whose masked value is null."""

_LESS_PRECISE = frozenset({Phi.DATE, Phi.PRECISION, Phi.POSTAL_CODE})


def names_of_masked(schema: Schema) -> Names:
    """Return the function that names the masked fields of a masked item."""
    marks = {name: field.metadata.get(MARK) for name, field in schema.fields.items()}
    always = [name for name, mark in marks.items() if mark == Phi.IDENTIFIER]
    if_null = [name for name, mark in marks.items() if mark in MASKED_TO_NULL - {Phi.IDENTIFIER}]
    if_shown = [name for name, mark in marks.items() if mark in _LESS_PRECISE]
    nested = [
        (name, names_of_masked(inner), isinstance(field, fields.List))
        for name, field in schema.fields.items()
        if (inner := nested_schema(field)) and any(possible_names(inner))
    ]

    open_objects = [
        (name, field.hidden)
        for name, field in schema.fields.items()
        if isinstance(field, OpenObject) and field.hidden
    ]

    def names(item: Any) -> list[str]:
        found = [
            *always,
            *[f"{name}.{member}" for name, hidden in open_objects for member in hidden()],
            *[name for name in if_null if item.get(name) is None],
            *[name for name in if_shown if item.get(name) is not None],
        ]
        for name, inner_names, is_list in nested:
            inside = item.get(name)
            for one in (inside or ()) if is_list else (inside,):
                if one is not None:
                    found += [f"{name}.{inner}" for inner in inner_names(one)]
        return list(dict.fromkeys(found)) if nested else found

    return names


def name_masked(items: Iterable[dict[str, Any]], names: Names, *, is_masked: bool) -> None:
    """Add to each item the names of its masked fields. No item is copied: lists are long."""
    for item in items:
        item[MASKED_FIELDS] = names(item) if is_masked else []


def possible_names(schema: Schema, path: str = "") -> Iterator[str]:
    """Yield each name that the masked fields of an item may have."""
    for name, field in schema.fields.items():
        inner = nested_schema(field)
        if inner is not None:
            yield from possible_names(inner, f"{path}{name}.")
        elif field.metadata.get(MARK, Phi.NONE) not in {Phi.NONE, Phi.MEMBERS}:
            yield f"{path}{name}"


def open_objects_of(schema: Schema) -> list[str]:
    """Return the objects of a schema whose masked members a tenant has defined."""
    return [
        name
        for name, field in schema.fields.items()
        if isinstance(field, OpenObject) and field.hidden is not None
    ]


def nested_schema(field: fields.Field[Any]) -> Schema | None:
    """Return the schema of a nested object, or of the objects in a list, or None."""
    field = field.inner if isinstance(field, fields.List) else field
    return field.schema if isinstance(field, fields.Nested) else None
