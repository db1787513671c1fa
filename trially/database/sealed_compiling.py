"""Compile statements for tenants whose fields are encrypted.

A sealed date does not fit into its column. It is in a column of text beside it (`SealedDate`). A
statement reads the one of both that is not null, and writes the one that the tenant's state asks
for. So each statement is written once, and other tenants' statements do not know the other column.
"""

from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Column

from trially.database.field_states import FieldState
from trially.database.sealed_types import SealedDate
from trially.database.since import table_behind


class Sealed(Enum):
    """What statements have to know of a tenant's fields."""

    NOTHING = "nothing"
    """No row is encrypted."""

    READ = "read"
    """Some rows are, and new ones are not: encryption is being switched off."""

    WRITTEN = "written"
    """New rows are encrypted."""


def sealed_in(state: FieldState) -> Sealed:
    """Return what statements have to know of a state."""
    if state.version is not None:
        return Sealed.WRITTEN
    return Sealed.READ if state.is_sealed else Sealed.NOTHING


def let_read_sealed(dialect: Any, compiler: type[Any], sealed: Sealed) -> None:
    """Let statements of a dialect, which a compiler compiles, read and write sealed columns."""
    dialect.statement_compiler = type("SealedCompiler", (_ReadsBoth, compiler), {})
    dialect.reads_sealed = True
    # Types keep what they have prepared for a dialect. The dialect was copied from another one.
    dialect._type_memos = WeakKeyDictionary()  # noqa: SLF001
    if sealed is Sealed.WRITTEN:
        preparer = type("SealedPreparer", (_WritesBeside, dialect.preparer), {})
        dialect.identifier_preparer = preparer(dialect)


class _ReadsBoth:
    """Mixed into a compiler: reads a date from either of its columns."""

    def visit_column(self, column: Any, *args: Any, **options: Any) -> str:
        """Return a column, or the text of a date that is in one of two columns."""
        parent: Any = super()
        text = str(parent.visit_column(column, *args, **options))
        beside = _beside(column)
        if beside is None:
            return text
        options.pop("add_to_result_map", None)
        other = str(parent.visit_column(column.table.c[beside], *args, **options))
        return f"coalesce({other}, {text}::text)"

    def _label_select_column(self, select: Any, column: Any, *args: Any, **options: Any) -> str:
        """Return a column of the result. That of two columns has no name, so it gets one."""
        parent: Any = super()
        text = str(parent._label_select_column(select, column, *args, **options))  # noqa: SLF001
        if _beside(column) is not None and text.endswith("::text)"):
            text += f" AS {column.name}"
        return text


class _WritesBeside:
    """Mixed into a preparer of names: names the column where a statement writes a date."""

    def format_column(self, column: Any, *args: Any, **options: Any) -> str:
        """Return the name of the column that is written."""
        parent: Any = super()
        beside = _beside(column)
        if beside is not None:
            return str(parent.quote(beside))
        return str(parent.format_column(column, *args, **options))


def _beside(column: Any) -> str | None:
    """Return the column beside a date of a table, or of an alias of one; None for all others."""
    if not isinstance(column, Column) or not isinstance(column.type, SealedDate):
        return None
    return None if table_behind(column.table) is None else column.type.beside
