"""Statements that are the same at each request, compiled once and sent without a session.

SQLAlchemy compiles them, once for each dialect, so for each way in which tenants store fields. What
it did for each execution was to find the compiled statement again, and to wrap its rows. The types
of columns still convert parameters and values, so sealed columns are sealed and opened.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

from psycopg2 import Error
from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler

from trially.database.sealed_types import opens_nothing
from trially.database.session import open_connection

Row = Sequence[Any]
_Processor = Callable[[Any], Any]
_EXPANDED = "__[POSTCOMPILE_"
"""How SQLAlchemy marks a part of a statement that it writes at each execution."""


class _Prepared:
    """A statement as one dialect sends it."""

    def __init__(self, sql: str, parameters: dict[str, Any], binds: dict[str, _Processor]) -> None:
        self.sql = sql
        self.parameters = parameters
        """Values that the statement itself has."""

        self.binds = binds
        """What converts a parameter, by name."""

        self.names: tuple[str, ...] | None = None
        """The columns of the result, once there was one."""

        self.results: list[tuple[int, _Processor]] = []
        """What converts a value, by the position of its column."""


class Found(NamedTuple):
    """The rows of a statement, and the names of their columns."""

    names: Sequence[str]
    rows: Sequence[Row]

    def items(self) -> list[dict[str, Any]]:
        """Return the rows as mappings."""
        names = self.names
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class FixedStatement:
    """A statement of Core whose text is the same each time.

    `names` are the parameters of an INSERT, which are its columns. The statement has no list of
    variable length (`expanding`), and its columns no default that Python computes.
    """

    def __init__(self, statement: Executable, names: Sequence[str] | None = None) -> None:
        self.statement = statement
        self._names = None if names is None else list(names)
        self._prepared: WeakKeyDictionary[Dialect, _Prepared] = WeakKeyDictionary()

    def run(self, parameters: Mapping[str, Any]) -> Found:
        """Send the statement in this context's transaction, and return all rows."""
        connection = open_connection()
        dialect = connection.dialect
        if getattr(dialect, "lacking", None):
            # The values of columns that the tenant does not have yet are refused at each execution.
            result = connection.execute(self.statement, parameters)
            return Found(tuple(result.keys()), cast("Sequence[Row]", result.all()))
        prepared = self._prepared.get(dialect)
        if prepared is None:
            prepared = self._prepared[dialect] = self._prepare(dialect)
        values = {**prepared.parameters, **parameters}
        for name, convert in prepared.binds.items():
            values[name] = convert(values[name])
        rows, description = _send(connection, prepared.sql, values)
        names = prepared.names
        if names is None:
            names = self._describe(prepared, dialect, description)
        return Found(names, _converted(rows, prepared.results) if prepared.results else rows)

    def _prepare(self, dialect: Dialect) -> _Prepared:
        """Compile the statement for a dialect; raise `TypeError` if it is not a fixed one."""
        statement: Any = self.statement
        compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=self._names)
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise TypeError("A fixed statement has no values that Python computes.")
        if _EXPANDED in compiled.string or compiled.escaped_bind_names:
            raise TypeError("A fixed statement has no lists of any length, and plain names.")
        binds: dict[str, _Processor] = {}
        given = {}
        for bind, name in compiled.bind_names.items():
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if convert is not None:
                binds[name] = convert
            if not bind.required:
                given[name] = bind.effective_value
        return _Prepared(compiled.string, given, binds)

    def _describe(
        self, prepared: _Prepared, dialect: Dialect, description: Sequence[Any]
    ) -> tuple[str, ...]:
        """Note the names of the result's columns, and what converts their values."""
        columns: Any = getattr(self.statement, "exported_columns", ())
        results = []
        for position, (column, described) in enumerate(
            zip(columns, description, strict=bool(columns))
        ):
            kind = column.type.dialect_impl(dialect)
            if opens_nothing(kind, dialect):
                kind = kind.impl_instance
            convert = kind.result_processor(dialect, described[1])
            if convert is not None:
                results.append((position, convert))
        prepared.results = results
        prepared.names = tuple(described[0] for described in description)
        return prepared.names


def _converted(rows: Sequence[Row], results: Sequence[tuple[int, _Processor]]) -> Sequence[Row]:
    converted = []
    for row in rows:
        values = list(row)
        for position, convert in results:
            values[position] = convert(values[position])
        converted.append(values)
    return converted


def _send(
    connection: Connection, sql: str, parameters: Mapping[str, Any]
) -> tuple[Sequence[Row], Sequence[Any]]:
    """Send a statement on a connection whose transaction has begun; return rows and description."""
    listeners: Any = connection.dispatch
    if listeners.before_cursor_execute or listeners.after_cursor_execute:
        # Such as those that trace statements.
        result = connection.exec_driver_sql(sql, dict(parameters))
        described = result.cursor.description if result.cursor else ()
        return cast("Sequence[Row]", result.all()), described
    raw = connection.connection
    cursor = raw.cursor()
    try:
        connection.dialect.do_execute(cursor, sql, cast("Any", parameters))
        rows = cursor.fetchall()
    except BaseException as error:  # noqa: BLE001
        # SQLAlchemy's own handling of errors: it wraps them, and gives up lost connections. It has
        # no public name; test_fixed_statements.py fails if it is gone.
        connection._handle_dbapi_exception(  # noqa: SLF001
            error, sql if isinstance(error, Error) else None, cast("Any", parameters), cursor, None
        )
    description = cursor.description
    cursor.close()
    return rows, description
