"""Mask answers: a caller whose PHI level is not `full` sees fields as their marks in `phi` allow.

An answer is masked unless the request cycle has allowed identifiers for the caller. Each item of an
answer names its masked fields (`http/masked_fields.py`).
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from marshmallow import Schema, fields

from trially.http.codes import Code
from trially.http.fields import OpenObject
from trially.http.masked_fields import (
    MASKED_TO_NULL,
    nested_schema,
)
from trially.http.problems import Forbidden
from trially.phi import MARK, VALUE_SET, Phi
from trially.request_state import request_state
from trially.value_sets import VALUE_SETS
from trially.value_sets.codes import is_code

POSTAL_CODE_SHOWN = 3

Item = Mapping[str, Any]
Mask = Callable[[Any], Any]
FieldMask = Callable[[Any, Item], Any]
"""Returns the masked value of a field, given the value and the item that holds it."""


class UnmarkedFieldError(TypeError):
    """A field about a patient has no PHI mark, so that it could not be masked."""


def show_identifiers(*, is_shown: bool) -> None:
    """Allow or forbid identifiers in the answer to the current request."""
    request_state().shows_identifiers = is_shown


def mask_of(schema: Schema, *, is_nested: bool = False) -> Mask | None:
    """Return the function that masks an item of `schema`, or None if no field is masked.

    A nested object may lack fields. Those whose masked value is null are added, so that an absent
    field and a masked one look the same.
    """
    masks = {name: mask for name, field in schema.fields.items() if (mask := _mask_of_field(field))}
    if not masks:
        return None

    absent = dict.fromkeys(_masked_to_null(schema)) if is_nested else {}

    def mask_item(item: Item) -> Item:
        hidden = {
            name: mask(item[name], item)
            for name, mask in masks.items()
            if item.get(name) is not None
        }
        return {**absent, **item, **hidden}

    return mask_item


def is_masked(mask: Mask | None) -> bool:
    """Return whether the caller sees masked values of items with this mask."""
    return mask is not None and not request_state().shows_identifiers


def shown(item: Any, mask: Mask | None) -> Any:
    """Return an item, masked for the caller."""
    return item if mask is None or request_state().shows_identifiers else mask(item)


def shown_page(page: dict[str, Any], mask: Mask | None) -> dict[str, Any]:
    """Return a page of items, masked for the caller."""
    if mask is None or request_state().shows_identifiers:
        return page
    return {**page, "data": [mask(item) for item in page["data"]]}


def masked_names(schema: Schema) -> frozenset[str]:
    """Return the names of the fields of a schema that are masked.

    An object of custom fields is not among them, because only some of its members are masked.
    """
    return frozenset(
        name
        for name, field in schema.fields.items()
        if _mask_of_field(field) and not isinstance(field, OpenObject)
    )


def refuse_masked(names: Collection[str]) -> None:
    """Answer 403 if the request searches by or changes fields that are masked for the caller.

    A caller who could search by a masked field, or change it and look, would learn it bit by bit.
    """
    if names and not request_state().shows_identifiers:
        needs = "Needs the PHI level full."
        raise Forbidden(
            f"These fields need the PHI level full: {', '.join(sorted(names))}.",
            code=Code.PHI_LEVEL_REQUIRED,
            errors=[{"pointer": f"/{name}", "detail": needs} for name in sorted(names)],
        )


def refuse_unmarked(schema: Schema) -> None:
    """Raise `UnmarkedFieldError` if a field of the schema, or of one nested in it, has no mark."""
    for name in unmarked_fields(schema):
        raise UnmarkedFieldError(
            f"{type(schema).__name__}.{name} shows something about a patient and has no PHI mark."
            " Add metadata=PLAIN, IDENTIFIER, DATE, PRECISION, POSTAL_CODE, CODE or"
            " value_set(…) of trially.phi."
        )


def unmarked_fields(schema: Schema, path: str = "") -> Iterator[str]:
    """Yield the names of fields without a PHI mark, nested fields included."""
    for name, field in schema.fields.items():
        inner = nested_schema(field)
        if inner is not None:
            yield from unmarked_fields(inner, f"{path}{name}.")
        elif MARK not in field.metadata:
            yield f"{path}{name}"


def marks_of(schema: Schema, path: str = "") -> Iterator[tuple[str, Phi]]:
    """Yield the name and mark of each field, nested fields included."""
    for name, field in schema.fields.items():
        inner = nested_schema(field)
        if inner is not None:
            yield from marks_of(inner, f"{path}{name}.")
        elif MARK in field.metadata:
            yield f"{path}{name}", Phi(field.metadata[MARK])


def _mask_of_field(field: fields.Field[Any]) -> FieldMask | None:
    if isinstance(field, OpenObject):
        return _mask_of_members(field)
    inner = nested_schema(field)
    if inner is None:
        mark = field.metadata.get(MARK, Phi.NONE)
        if mark == Phi.CODE:
            return _mask_of_code(str(field.name))
        if mark == Phi.VALUE_SET:
            return _mask_outside(VALUE_SETS[field.metadata[VALUE_SET]])
        return _MASKS.get(mark)
    mask = mask_of(inner, is_nested=True)
    if mask is None:
        return None
    if isinstance(field, fields.Nested):
        return lambda inside, _: mask(inside)
    return lambda items, _: [mask(item) for item in items]


def _mask_of_members(field: OpenObject) -> FieldMask | None:
    """Return the mask of an object of custom fields: absent and masked members look the same."""
    hidden = field.hidden
    if hidden is None:
        return None
    return lambda members, _: {**members, **dict.fromkeys(hidden())}


def _masked_to_null(schema: Schema) -> list[str]:
    return [
        name for name, field in schema.fields.items() if field.metadata.get(MARK) in MASKED_TO_NULL
    ]


def _mask_of_code(name: str) -> FieldMask:
    """Return the mask of a code. Its system is in `<name>_system`, in `system`, or unknown."""

    def mask(code: Any, item: Item) -> Any:
        return code if is_code(code, item.get(f"{name}_system", item.get("system"))) else None

    return mask


def _mask_outside(is_value: Callable[[str], bool]) -> FieldMask:
    return lambda text, _: text if is_value(text) else None


def _first_of_year(day: dt.date) -> dt.date:
    if isinstance(day, dt.datetime):
        utc = day.astimezone(dt.UTC)
        return utc.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return day.replace(month=1, day=1)


_MASKS: Mapping[str, FieldMask] = {
    Phi.IDENTIFIER: lambda _, __: None,
    Phi.DATE: lambda day, _: _first_of_year(day),
    Phi.PRECISION: lambda _, __: "year",
    Phi.POSTAL_CODE: lambda code, _: code[:POSTAL_CODE_SHOWN],
}
