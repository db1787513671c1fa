"""Values of custom fields: which ones a field takes, how they are written, and compared."""

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from trially.plain_text import is_plain
from trially.recruiting.custom_fields.choices import CustomPhi, CustomType

CUSTOM = "custom"
"""The member of rows, bodies and queries that has the values, by field."""

LONGEST_TEXT = 500
LARGEST_NUMBER = 10**15
"""A float holds each integer up to here, so that equal numbers stay equal."""

LONGEST_NUMBER = 40
"""Characters of a number in a URL or a table."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

Value = str | int | float | bool


class UnfitValueError(ValueError):
    """A value does not fit its field. The message is a sentence that does not quote the value."""


@dataclass(frozen=True)
class Definition:
    """What the values of a field must be, and who sees them."""

    id: UUID
    name: str
    type: CustomType
    choices: Sequence[str]
    phi: CustomPhi
    is_archived: bool
    is_used: bool = field(repr=False)

    def check(self, value: object) -> None:
        """Raise `UnfitValueError` unless the value of JSON fits the field."""
        _CHECKS[self.type](self, value)

    def read(self, text: str) -> Value:
        """Return the value that a text of a URL or a table means. Raises `UnfitValueError`."""
        value = _READERS.get(self.type, str)(text)
        self.check(value)
        return value


def term_of_value(name: str, value: Value) -> str:
    """Return the search term of a value: equal values of a field have one, and no others do.

    It is a digest, so that a long text fits.
    """
    same = float(value) + 0.0 if _is_number(value) else value  # Zero has no sign.
    return hashlib.sha256(orjson.dumps([name, same])).hexdigest()


def _check_text(_: Definition, value: object) -> None:
    if not isinstance(value, str):
        raise UnfitValueError("Must be a text.")
    if not value.strip() or len(value) > LONGEST_TEXT:
        raise UnfitValueError(f"Must have 1 to {LONGEST_TEXT} characters that are not all blank.")
    if not is_plain(value):
        raise UnfitValueError(
            "Must not contain control characters or characters that set the text direction."
        )


def _check_number(_: Definition, value: Any) -> None:
    if not _is_number(value):
        raise UnfitValueError("Must be a number.")
    if not abs(value) <= LARGEST_NUMBER:  # Neither is a NaN.
        raise UnfitValueError(f"Must be a number from {-LARGEST_NUMBER} to {LARGEST_NUMBER}.")


def _check_boolean(_: Definition, value: object) -> None:
    if not isinstance(value, bool):
        raise UnfitValueError("Must be true or false.")


def _check_date(_: Definition, value: object) -> None:
    try:
        is_date = isinstance(value, str) and dt.date.fromisoformat(value).isoformat() == value
    except ValueError:
        is_date = False
    if not is_date:
        raise UnfitValueError("Must be a date such as 2026-03-02.")


def _check_choice(definition: Definition, value: object) -> None:
    if value not in definition.choices:
        raise UnfitValueError("Must be one of the field's choices.")


_CHECKS: Mapping[CustomType, Callable[[Definition, Any], None]] = {
    CustomType.TEXT: _check_text,
    CustomType.NUMBER: _check_number,
    CustomType.BOOLEAN: _check_boolean,
    CustomType.DATE: _check_date,
    CustomType.CHOICE: _check_choice,
}


def _read_number(text: str) -> Value:
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise UnfitValueError("Must be a number such as 12 or -3.5.")
    return float(text) if set(text) & set(".eE") else int(text)


def _read_boolean(text: str) -> Value:
    if text.casefold() not in {"true", "false"}:
        raise UnfitValueError("Must be true or false.")
    return text.casefold() == "true"


_READERS: Mapping[CustomType, Callable[[str], Value]] = {
    CustomType.NUMBER: _read_number,
    CustomType.BOOLEAN: _read_boolean,
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
