"""Write tables as CSV, with a dictionary of their columns."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from psycopg2 import sql
from sqlalchemy import Boolean, String, Table
from sqlalchemy.dialects.postgresql import TSVECTOR, dialect

from trially.database.classes import Held, class_of
from trially.database.model import TenantModel
from trially.database.sealed_rows import columns_beside, open_row, sealed_columns
from trially.database.sealing import field_state
from trially.exports.column_docs import describe_columns, describe_table
from trially.exports.packages import Package
from trially.exports.reading import Reader

LEFT_OUT = {
    "audit_form": "audit",
    "audit_record": "audit",
    "audit_seal": "audit",
    "audit_subject": "an index",
    "canary": "rows of `flask tenants prove`",
    "document_page": "files",
    "idempotency_key": "answers that were stored for repeated requests",
    "import_binary": "texts that an import has not joined yet",
    "job_file_part": "uploads that wait for a worker, and other exports, encrypted",
    "patient_search_term": "an index",
}
"""The tables without a CSV file, and where their rows are instead or what they are."""

COLUMNS = ("table", "column", "type", "nullable", "class", "description")
_DIALECT = dialect()  # type: ignore[no-untyped-call]
_QUOTED = re.compile('[",\r\n]')
_FORMULA = r"^[=+\-@\t\r]"
"""A spreadsheet would run a cell that begins so."""


def write_tables(package: Package, reader: Reader) -> None:
    """Write each table as a file, and the dictionary."""
    for table in exported_tables():
        with package.file(f"csv/{table.name}.csv") as file:
            if sealed_columns(table) and field_state().is_sealed:
                _write_opened(file, reader, table)
            else:
                rows = _rows(reader, table)
                reader.snapshot.copy(rows, file, " (FORMAT csv, HEADER)")
            file.items = reader.snapshot.count(_count(reader, table))
    with package.file("csv/dictionary.csv") as file:
        for line in dictionary():
            file.write(line)


def exported_tables() -> list[Table]:
    """Return the tables that have a CSV file, by name."""
    tables = TenantModel.metadata.tables
    return [tables[name] for name in sorted(tables) if name not in LEFT_OUT]


def exported_columns(table: Table) -> list[str]:
    """Return the columns of a table that are exported: no secrets, and no words of a search."""
    hidden = columns_beside(table)
    return [
        column.name
        for column in table.columns
        if not isinstance(column.type, TSVECTOR)
        and column.name not in hidden
        and (held := class_of(table, column.name)) is not None
        and held.held is not Held.SECRET
    ]


def read_columns(table: Table) -> list[str]:
    """Return the columns that an export reads: those that are exported, and sealed dates."""
    beside = columns_beside(table) if field_state().is_sealed else ()
    return [*exported_columns(table), *beside]


def dictionary() -> Iterator[bytes]:
    """Yield the lines of the dictionary: each table, and each of its columns."""
    yield _line(COLUMNS)
    for table in exported_tables():
        yield _line((table.name, "", "", "", "", describe_table(table)))
        docs = describe_columns(table)
        for name in exported_columns(table):
            column, held = table.c[name], class_of(table, name)
            yield _line(
                (
                    table.name,
                    name,
                    column.type.compile(_DIALECT),
                    "yes" if column.nullable else "no",
                    held.held if held else "",
                    docs.get(name, ""),
                )
            )


def _rows(reader: Reader, table: Table) -> sql.Composable:
    columns = [_cell(table, name) for name in exported_columns(table)]
    return sql.SQL("SELECT {} FROM {} WHERE tenant_id = {} ORDER BY id").format(
        sql.SQL(", ").join(columns), sql.Identifier(table.name), reader.tenant
    )


def _write_opened(file: Any, reader: Reader, table: Table) -> None:
    """Write rows of a tenant that encrypts fields as COPY would write them decrypted."""
    names = exported_columns(table)
    stored = sealed_columns(table).keys() | columns_beside(table)
    read = [
        sql.Identifier(name) if name in stored else _text_cell(table, name)
        for name in read_columns(table)
    ]
    statement = sql.SQL("SELECT {} FROM {} WHERE tenant_id = {} ORDER BY id").format(
        sql.SQL(", ").join(read), sql.Identifier(table.name), reader.tenant
    )
    file.write(_csv_line(names))
    for row in reader.snapshot.rows(statement):
        opened = open_row(table, row)
        file.write(
            _csv_line([_opened_cell(opened[name], is_sealed=name in stored) for name in names])
        )


def _text_cell(table: Table, name: str) -> sql.Composable:
    """Return the expression of a cell whose text PostgreSQL writes."""
    if isinstance(table.c[name].type, String):
        return _cell(table, name)
    if isinstance(table.c[name].type, Boolean):
        return sql.SQL("left({0}::text, 1) AS {0}").format(sql.Identifier(name))
    return sql.SQL("{0}::text AS {0}").format(sql.Identifier(name))


def _opened_cell(value: Any, *, is_sealed: bool) -> str | None:
    """Return the text of a value. A sealed one that looks like a formula begins with `'`."""
    if value is None or not is_sealed:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        return f"'{value}" if re.match(_FORMULA, value) else value
    # As PostgreSQL writes `jsonb`.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _csv_line(cells: Sequence[str | None]) -> bytes:
    """Return a line as COPY writes it: null is empty, and an empty text is quoted."""
    return (",".join(map(_csv_cell, cells)) + "\n").encode()


def _csv_cell(cell: str | None) -> str:
    if cell is None:
        return ""
    if cell == "" or cell == "\\." or _QUOTED.search(cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _count(reader: Reader, table: Table) -> sql.Composable:
    return sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = {}").format(
        sql.Identifier(table.name), reader.tenant
    )


def _cell(table: Table, name: str) -> sql.Composable:
    """Return the expression of a cell. A text that looks like a formula begins with `'`."""
    column = sql.Identifier(name)
    kind = table.c[name].type
    if not isinstance(getattr(kind, "impl", kind), String):
        return column
    escaped = "CASE WHEN {column} ~ {formula} THEN '''' || {column} ELSE {column} END AS {column}"
    return sql.SQL(escaped).format(column=column, formula=sql.Literal(_FORMULA))


def _line(cells: tuple[str, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
