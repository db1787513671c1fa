"""Texts of identity providers, as they are stored and compared."""

from collections.abc import Iterator
from typing import Any
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import Column, ColumnElement, false

from trially.database.model import length_of
from trially.plain_text import is_plain
from trially.scim.filters import Compare
from trially.scim.problems import refused

LONGEST_DETAIL = 200


def comparable(text: str) -> str:
    """Return a name or an address as it is compared: in lower case, of one normal form."""
    return normalize("NFC", normalize("NFC", text).lower())


def stored_text(text: str | None, column: Column[Any], name: str) -> str:
    """Return a text that its column holds, or answer 400 with the attribute's name."""
    longest = length_of(column)
    if not text or not text.strip() or len(text) > longest or not is_plain(text):
        raise refused(
            "invalidValue",
            f"{name} must have 1 to {longest} characters, and no control characters.",
        )
    return text


def refuse_unstorable(details: Any) -> None:
    """Answer 400 if a text within some attributes is too long, or has control characters."""
    for text in _texts_in(details):
        if len(text) > LONGEST_DETAIL or not is_plain(text):
            raise refused(
                "invalidValue",
                f"Texts must have at most {LONGEST_DETAIL} characters, and no control characters.",
            )


def text_equals(column: ColumnElement[str]) -> Compare:
    """Return a comparison of a column as it is."""
    return lambda value: column == value if _is_text(value) else false()


def key_equals(column: ColumnElement[str]) -> Compare:
    """Return a comparison of a column that holds comparable texts."""
    return lambda value: column == comparable(value) if _is_text(value) else false()


def id_equals(column: ColumnElement[UUID]) -> Compare:
    """Return a comparison of a column with ids. A text that is no id equals none."""

    def compare(value: Any) -> ColumnElement[bool]:
        row_id = uuid_of(value)
        return false() if row_id is None else column == row_id

    return compare


def uuid_of(value: Any) -> UUID | None:
    """Return the id that a text is, or None."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_plain(value)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(inner)
