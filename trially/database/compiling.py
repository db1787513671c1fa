"""Compile statements for tenants that do not have everything yet: see `since`.

What a tenant lacks is compiled as it would be after the migration if nothing had been written
since: the column's default, or NULL. So each statement is written once.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Column,
    Connection,
    DefaultClause,
    Dialect,
    Engine,
    cast,
    event,
    literal,
    null,
)
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.sql.dml import Insert, Update, UpdateBase
from sqlalchemy.util import immutabledict

from trially.database.sealed_compiling import Sealed, let_read_sealed
from trially.database.since import Lacking, refuse_values

_dialects: dict[tuple[Dialect, Lacking, Sealed], Dialect] = {}
"""Dialects by that of the server, by what is lacking (nothing, or what one migration adds), and by
how fields are stored."""


class LackingCompiler(PGCompiler):
    """Compiles a statement without what tenants do not have yet."""

    @property
    def _lacking(self) -> Lacking:
        lacking: Lacking = self.dialect.lacking  # type: ignore[attr-defined]
        return lacking

    def visit_column(self, column: Any, *args: Any, **options: Any) -> str:
        """Return a column's name, or the value that a tenant without the column has."""
        if not self._lacking.has(column):
            return str(super().visit_column(column, *args, **options))
        # This also registers the column as one of the result's, if it is one.
        super().visit_column(column, *args, **options)
        return self._stand_in(column)

    def _label_select_column(self, select: Any, column: Any, *args: Any, **options: Any) -> str:
        """Return a column of the result. A stand-in has no name of its own, so it gets one."""
        label: Any = super()._label_select_column  # SQLAlchemy does not annotate it.
        text = str(label(select, column, *args, **options))
        if self._lacking.has(column) and text == self._stand_in(column):
            text += f" AS {self.preparer.quote(column.name)}"
        return text

    def visit_table(self, table: Any, *args: Any, **options: Any) -> str:
        """Return a table's name; raise `OutdatedTenantError` if the tenant lacks it."""
        self._lacking.refuse_table(table)
        visit: Any = super().visit_table
        return str(visit(table, *args, **options))

    def visit_insert(self, insert_stmt: Any, *args: Any, **options: Any) -> Any:
        """Return an INSERT without the columns that the tenant lacks."""
        visit: Any = super().visit_insert
        return visit(self._without(insert_stmt), *args, **options)

    def visit_update(self, update_stmt: Any, *args: Any, **options: Any) -> Any:
        """Return an UPDATE without the columns that the tenant lacks."""
        return super().visit_update(self._without(update_stmt), *args, **options)

    def _without(self, statement: Any) -> Any:
        """Return a statement that does not write columns that the tenant lacks.

        The columns are those of its `values`, and those of its parameters.
        """
        self._lacking.refuse_table(statement.table)
        names = self._lacking.of(statement.table)
        if not names:
            return statement
        if self.column_keys is not None:
            self.column_keys = [key for key in self.column_keys if key not in names]
        values = statement._values  # noqa: SLF001
        if not values:
            return statement
        kept = {column: value for column, value in values.items() if _name_of(column) not in names}
        reduced = statement._clone()  # noqa: SLF001
        reduced._values = immutabledict(kept)  # noqa: SLF001
        return reduced

    def _stand_in(self, column: Column[Any]) -> str:
        return str(self.process(cast(_default_of(column), column.type), literal_binds=True))


def engine_without(engine: Engine, lacking: Lacking, sealed: Sealed = Sealed.NOTHING) -> Engine:
    """Return an engine with the same connections, for tenants that lack something or seal fields.

    It has a dialect of its own. SQLAlchemy keeps compiled statements by their dialect.
    """
    key = (engine.dialect, lacking, sealed)
    if key not in _dialects:
        dialect: Any = copy(engine.dialect)
        dialect.statement_compiler, dialect.lacking = LackingCompiler, lacking
        if sealed is not Sealed.NOTHING:
            let_read_sealed(dialect, LackingCompiler, sealed)
        _dialects.setdefault(key, dialect)
    reduced = engine.execution_options()
    reduced.dialect = _dialects[key]
    event.listen(reduced, "before_execute", _refuse_lost_values)
    return reduced


def _refuse_lost_values(
    connection: Connection,
    statement: ClauseElement,
    rows: Any,
    row: Any,
    _options: Mapping[str, Any],
) -> None:
    """Raise `OutdatedTenantError` for a value that the statement would leave out."""
    if isinstance(statement, UpdateBase):
        lacking: Any = connection.dialect.lacking  # type: ignore[attr-defined]
        refuse_values(statement.table, _rows_of(statement, rows, row), lacking)


def _rows_of(statement: UpdateBase, rows: Any, row: Any) -> Iterator[Mapping[str, Any]]:
    yield from rows
    yield row
    values = getattr(statement, "_values", None) if isinstance(statement, Insert | Update) else None
    yield {_name_of(column): _value_of(value) for column, value in (values or {}).items()}


def _name_of(column: Any) -> str:
    return str(getattr(column, "name", column))


def _value_of(value: Any) -> Any:
    return getattr(value, "value", value)


def _default_of(column: Column[Any]) -> Any:
    default = column.server_default
    if not isinstance(default, DefaultClause):
        return null()
    # SQLAlchemy cannot write a member of a StrEnum as a literal, but the text that it is.
    return literal(str(default.arg)) if isinstance(default.arg, str) else default.arg
