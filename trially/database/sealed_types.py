"""Types of columns that are encrypted if the tenant wants it: PostgreSQL holds sealed values.

A statement that names such a column reads and writes plain values. SQL that is written as text sees
the stored ones: `sealed_rows` seals and opens its rows.
"""

import datetime as dt
from typing import Any

from sqlalchemy import ARRAY, Date, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from trially.database.sealing import (
    MARK,
    field_state,
    forms_of_text,
    open_bytes,
    open_json,
    open_text,
    seal_bytes,
    seal_json,
    seal_text,
)
from trially.keys.field_sealing import FORMAT


class SealedText(TypeDecorator[str]):
    """A text of at most `length` characters.

    With `only_with`, a text without these characters is stored as it is.
    """

    impl = Text
    cache_ok = True

    def __init__(self, length: int, context: str, only_with: str = "") -> None:
        super().__init__()
        self.length = length
        self.context = context
        self.only_with = only_with

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Return the stored form."""
        if value is None or self.only_with not in value:
            return value
        return seal_text(self.context, value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        """Return the text."""
        if value is None or value[:1] != MARK:
            return value
        return open_text(self.context, value)


class SealedDate(TypeDecorator[dt.date]):
    """A date. A sealed one does not fit, so it is in a column of text, `beside` this one.

    `sealed_compiling` lets statements read both columns and write the right one.
    """

    impl = Date
    cache_ok = True

    def __init__(self, context: str, beside: str) -> None:
        super().__init__()
        self.context = context
        self.beside = beside

    def process_bind_param(self, value: dt.date | str | None, dialect: Dialect) -> Any:
        """Return the date, or the sealed text."""
        if value is None or field_state().version is None:
            return value if value is None or not reads_text(dialect) else str(value)
        return seal_text(self.context, str(value))

    def process_result_value(self, value: Any, _dialect: Dialect) -> dt.date | None:
        """Return the date."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        return dt.date.fromisoformat(open_text(self.context, value))


class FormsOfDate(TypeDecorator[dt.date]):
    """The forms in which a date may be stored, as an array that a `SealedDate` is compared with."""

    impl = ARRAY(Text)
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the type of the array."""
        return dialect.type_descriptor(ARRAY(Text if reads_text(dialect) else Date))

    def process_bind_param(self, value: dt.date | None, dialect: Dialect) -> Any:
        """Return the forms: the date itself for a tenant without encryption."""
        if value is None:
            return None
        if not reads_text(dialect):
            return [value]
        return forms_of_text(self.context, str(value))


def reads_text(dialect: Dialect) -> bool:
    """Return whether statements of a dialect read dates as texts: see `sealed_compiling`."""
    return getattr(dialect, "reads_sealed", False)


def opens_nothing(kind: Any, dialect: Dialect) -> bool:
    """Return whether a type only returns what it gets from the engine of the current tenant.

    That engine has such a dialect if no row of the tenant is sealed. `SealedBytes` are not among
    these types: they also turn buffers into bytes.
    """
    return isinstance(kind, SealedText | SealedDate | SealedJson) and not reads_text(dialect)


class SealedJson(TypeDecorator[Any]):
    """An object or an array of JSON, which no text is. An empty one is stored as it is."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        """Return the stored form."""
        return seal_json(self.context, value) if value else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> Any:
        """Return the value."""
        return open_json(self.context, value)


class SealedBytes(TypeDecorator[bytes]):
    """Bytes of a known length: sealed ones are longer.

    Without a length, the bytes are of a text, which does not begin as sealed ones do.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, length: int | None, context: str) -> None:
        super().__init__()
        self.length = length
        self.context = context

    def process_bind_param(self, value: bytes | None, _dialect: Dialect) -> bytes | None:
        """Return the stored form."""
        return None if value is None else seal_bytes(self.context, value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> bytes | None:
        """Return the bytes."""
        if value is None:
            return None
        stored = bytes(value)
        if self.length is None:
            is_sealed = stored[:1] == bytes([FORMAT])
        else:
            is_sealed = len(stored) != self.length
        return open_bytes(self.context, stored) if is_sealed else stored


Sealable = SealedText | SealedDate | SealedJson | SealedBytes
