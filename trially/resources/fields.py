"""Fields of schemas whose limits come from the model's columns."""

from typing import Any

from sqlalchemy import Column

from trially.database.model import length_of
from trially.http.fields import Text


def text(column: Column[str], **options: Any) -> Text:
    """Return a text field as long as its column; `options` are those of `Text`.

    Raises `TypeError` for a column without a length.
    """
    return Text(length_of(column), **options)
