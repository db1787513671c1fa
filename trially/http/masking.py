"""What fields say of the patients they tell of, and answers without what says who a patient is.

Each field of a schema that shows something of a patient carries one of the marks below as its
metadata; the OpenAPI document shows it as `x-phi`. An answer is masked unless the request cycle has
said that the caller is shown identifiers.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any

from marshmallow import Schema, fields

from trially.http.problems import Code, Forbidden
from trially.state import request_state

MARK = "x-phi"
POSTAL_CODE_SHOWN = 3

Item = Mapping[str, Any]
Mask = Callable[[Any], Any]
FieldMask = Callable[[Any, Item], Any]
"""What is left of a field's value, given the item that it is in."""


class Phi(StrEnum):
    """What a field says of a patient, and so what is left of it when it is masked."""

    NONE = "none"
    """Nothing that says who they are; never masked."""

    IDENTIFIER = "identifier"
    """Who they are, or free text that may say so; masked, it is null."""

    DATE = "date"
    """A day in their life that says who they are; masked, it is the first of its year."""

    PRECISION = "precision"
    """How much is known of such a date; masked, it is the year."""

    POSTAL_CODE = "postal_code"
    """Where they live; masked, it is its first three characters."""

    CODE_NAME = "code_name"
    """What the item's `code` is called; without one it is free text and, masked, null."""


PLAIN = {MARK: Phi.NONE}
IDENTIFIER = {MARK: Phi.IDENTIFIER}
DATE = {MARK: Phi.DATE}
PRECISION = {MARK: Phi.PRECISION}
POSTAL_CODE = {MARK: Phi.POSTAL_CODE}
CODE_NAME = {MARK: Phi.CODE_NAME}


def show_identifiers(*, is_shown: bool) -> None:
    """Say whether the answer to the current request may say who a patient is."""
    request_state().shows_identifiers = is_shown


def mask_of(schema: Schema) -> Mask | None:
    """Return what masks an item that is rendered as `schema` says; None if nothing of it is."""
    masks = {name: mask for name, field in schema.fields.items() if (mask := _mask_of_field(field))}
    if not masks:
        return None

    def mask_item(item: Item) -> Item:
        hidden = {
            name: mask(item[name], item)
            for name, mask in masks.items()
            if item.get(name) is not None
        }
        return {**item, **hidden}

    return mask_item


def is_masked(mask: Mask | None) -> bool:
    """Tell whether the caller is shown less than there is."""
    return mask is not None and not request_state().shows_identifiers


def shown(item: Any, mask: Mask | None) -> Any:
    """Return an item as the caller may see it."""
    return item if mask is None or request_state().shows_identifiers else mask(item)


def shown_page(page: dict[str, Any], mask: Mask | None) -> dict[str, Any]:
    """Return a page of items as the caller may see them."""
    if mask is None or request_state().shows_identifiers:
        return page
    return {**page, "data": [mask(item) for item in page["data"]]}


def masked_names(schema: Schema) -> frozenset[str]:
    """Return the fields of a schema that are masked."""
    return frozenset(name for name, field in schema.fields.items() if _mask_of_field(field))


def refuse_masked(names: Collection[str]) -> None:
    """Answer 403 if a request names fields that the caller is not shown.

    Whoever could search by them, or change them and look, would learn them bit by bit.
    """
    if names and not request_state().shows_identifiers:
        needs = "Needs the PHI level full."
        raise Forbidden(
            f"These fields need the PHI level full: {', '.join(sorted(names))}.",
            code=Code.PHI_LEVEL_REQUIRED,
            errors=[{"pointer": f"/{name}", "detail": needs} for name in sorted(names)],
        )


def unmarked_fields(schema: Schema, path: str = "") -> Iterator[str]:
    """Yield the fields, nested ones too, that do not say what they tell of a patient."""
    for name, field in schema.fields.items():
        inner = _nested(field)
        if inner is not None:
            yield from unmarked_fields(inner, f"{path}{name}.")
        elif MARK not in field.metadata:
            yield f"{path}{name}"


def marks_of(schema: Schema, path: str = "") -> Iterator[tuple[str, Phi]]:
    """Yield the fields of a schema, nested ones too, and what they say of a patient."""
    for name, field in schema.fields.items():
        inner = _nested(field)
        if inner is not None:
            yield from marks_of(inner, f"{path}{name}.")
        elif MARK in field.metadata:
            yield f"{path}{name}", Phi(field.metadata[MARK])


def _mask_of_field(field: fields.Field[Any]) -> FieldMask | None:
    inner = _nested(field)
    if inner is None:
        return _MASKS.get(field.metadata.get(MARK, Phi.NONE))
    mask = mask_of(inner)
    if mask is None:
        return None
    if isinstance(field, fields.Nested):
        return lambda inside, _: mask(inside)
    return lambda items, _: [mask(item) for item in items]


def _nested(field: fields.Field[Any]) -> Schema | None:
    field = field.inner if isinstance(field, fields.List) else field
    return field.schema if isinstance(field, fields.Nested) else None


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
    Phi.CODE_NAME: lambda name, item: name if item.get("code") is not None else None,
}
