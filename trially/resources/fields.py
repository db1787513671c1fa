"""Fields of schemas whose limits come from the model's columns."""

from typing import Any

from sqlalchemy import Column, String

from trially.http.fields import Text


def text(column: Column[str], **options: Any) -> Text:
    """Return a text field as long as its column; `options` are those of `Text`."""
    assert isinstance(column.type, String)  # noqa: S101
    assert column.type.length is not None, f"{column} has no length"  # noqa: S101
    return Text(column.type.length, **options)
