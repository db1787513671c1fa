"""Write tables as CSV, with a dictionary of their columns."""

import csv
import io
from collections.abc import Iterator

from psycopg2 import sql
from sqlalchemy import String, Table
from sqlalchemy.dialects.postgresql import TSVECTOR, dialect

from trially.database.classes import Held, class_of
from trially.database.model import TenantModel
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
_FORMULA = r"^[=+\-@\t\r]"
"""A spreadsheet would run a cell that begins so."""


def write_tables(package: Package, reader: Reader) -> None:
    """Write each table as a file, and the dictionary."""
    for table in exported_tables():
        with package.file(f"csv/{table.name}.csv") as file:
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
    return [
        column.name
        for column in table.columns
        if not isinstance(column.type, TSVECTOR)
        and (held := class_of(table, column.name)) is not None
        and held.held is not Held.SECRET
    ]


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


def _count(reader: Reader, table: Table) -> sql.Composable:
    return sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = {}").format(
        sql.Identifier(table.name), reader.tenant
    )


def _cell(table: Table, name: str) -> sql.Composable:
    """Return the expression of a cell. A text that looks like a formula begins with `'`."""
    column = sql.Identifier(name)
    if not isinstance(table.c[name].type, String):
        return column
    escaped = "CASE WHEN {column} ~ {formula} THEN '''' || {column} ELSE {column} END AS {column}"
    return sql.SQL(escaped).format(column=column, formula=sql.Literal(_FORMULA))


def _line(cells: tuple[str, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
