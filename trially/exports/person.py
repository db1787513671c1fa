"""Write everything that is stored about one person, and who saw it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from psycopg2 import sql
from sqlalchemy import Table

from trially.auditing.disclosures import describe, disclosures_of, write_report
from trially.database.changes import PATIENT_TABLE, is_about_patients
from trially.database.model import TenantModel
from trially.database.rows import Item
from trially.database.sealed_rows import open_row
from trially.database.snapshots import snapshot
from trially.exports.contents import FORMAT
from trially.exports.document_files import write_documents
from trially.exports.fhir_files import write_fhir
from trially.exports.packages import Package, Target
from trially.exports.reading import Reader
from trially.exports.tables import read_columns
from trially.http.problems import NotFound
from trially.recruiting.search.current_records import current_records, with_replaced

DERIVED = frozenset({"patient_search_term"})
"""Tables about patients whose rows follow from others."""

_BY_KEY = {
    "waiting_fact": "source = patient.source AND base_url = patient.base_url"
    " AND patient_key IN (patient.source_id, patient.base_url || '/Patient/' || patient.source_id)",
    "record_deletion": "source = patient.source AND base_url = patient.base_url"
    " AND source_type = 'Patient' AND {table}.source_id = patient.source_id",
    "import_fault": "resource_type = 'Patient' AND resource_id = patient.source_id"
    " AND import_id IN (SELECT id FROM import_job WHERE tenant_id = {tenant}"
    " AND import_job.source = patient.source)",
    "import_job": "{table}.source = patient.source",
}
"""Tables without a foreign key to the patient: how their rows name the patient, or the source."""


def records_of(patient_id: UUID) -> Sequence[UUID]:
    """Return the records about a person: the one that is used, and those that it replaces.

    Answers 404 if there is no such patient.
    """
    current = current_records([patient_id])
    if not current:
        raise NotFound("There is no such patient.")
    return with_replaced([current[patient_id]])


def write_person(target: Target, patient_id: UUID) -> dict[str, Any]:
    """Write what is stored about a person, and return the manifest. Answers 404.

    It reads in its own transaction, which the caller commits with the record of the export.
    """
    records = records_of(patient_id)
    with snapshot() as taken:
        package = Package(
            target,
            {
                "format": FORMAT,
                "person": str(patient_id),
                "records": [str(each) for each in records],
                "exported_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "fhir_version": "4.0.1",
            },
        )
        reader = Reader(taken, records)
        write_fhir(package, reader, lambda _: None)
        write_documents(package, reader, lambda _: None)
        for table in TenantModel.metadata.sorted_tables:
            _write_rows(package, reader, table)
        with package.file("disclosures.csv") as file:
            write_report(file, map(describe, disclosures_of(patient_id, {}).stream()))  # type: ignore[arg-type]
        return package.write_manifest()


def _write_rows(package: Package, reader: Reader, table: Table) -> None:
    """Write the rows of a table about the person, unless there are none."""
    rows = _rows(reader, table)
    if rows is None:
        return
    found = (open_row(table, row) for row in reader.snapshot.rows(rows))
    first = next(found, None)
    if first is None:
        return
    with package.file(f"records/{table.name}.ndjson") as file:
        for row in _with_first(first, found):
            file.write(orjson.dumps(row, default=_as_text, option=orjson.OPT_APPEND_NEWLINE))


def _as_text(value: Any) -> str:
    """Return a value that JSON does not have as text: bytes in hexadecimal digits."""
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def _with_first(first: Item, others: Iterator[Item]) -> Iterator[Item]:
    yield first
    yield from others


def _rows(reader: Reader, table: Table) -> sql.Composable | None:
    """Return the query of a table's rows about the person, or None if it has none."""
    condition = _condition(reader, table)
    if condition is None:
        return None
    columns = sql.SQL(", ").join(sql.Identifier(table.name, name) for name in read_columns(table))
    return sql.SQL("SELECT {} FROM {} WHERE {}.tenant_id = {} AND {} ORDER BY id").format(
        columns, sql.Identifier(table.name), sql.Identifier(table.name), reader.tenant, condition
    )


def _condition(reader: Reader, table: Table) -> sql.Composable | None:
    if table.name in _BY_KEY:
        named = sql.SQL(_BY_KEY[table.name]).format(
            table=sql.Identifier(table.name), tenant=reader.tenant
        )
        return sql.SQL(
            "EXISTS (SELECT FROM patient WHERE patient.tenant_id = {} AND {} AND {})"
        ).format(reader.tenant, reader.is_one_of(sql.Identifier("patient", "id")), named)
    if table.name == PATIENT_TABLE:
        return reader.is_one_of(sql.Identifier(table.name, "id"))
    if not is_about_patients(table) or table.name in DERIVED:
        return None
    return sql.SQL("({})").format(sql.SQL(" OR ").join(_references(reader, table)))


def _references(reader: Reader, table: Table) -> Iterator[sql.Composable]:
    """Yield the conditions of foreign keys to the person's records, or to rows about the person."""
    for key in table.foreign_key_constraints:
        column = sql.Identifier(table.name, next(n for n in key.column_keys if n != "tenant_id"))
        parent = key.referred_table
        if parent.name == PATIENT_TABLE:
            yield reader.is_one_of(column)
        elif is_about_patients(parent) and parent is not table:
            inner = _condition(reader, parent)
            yield sql.SQL("{} IN (SELECT id FROM {} WHERE {}.tenant_id = {} AND {})").format(
                column,
                sql.Identifier(parent.name),
                sql.Identifier(parent.name),
                reader.tenant,
                inner or sql.SQL("false"),
            )
