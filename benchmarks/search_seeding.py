"""Store patients with their search terms by COPY, in a tenant and in its neighbours.

An import writes a thousand patients in each statement, and keeps nine indexes and the foreign keys
all the while. Here the rows are written without them, and the indexes are built at the end. The
terms are those of `terms_of`, which an import writes too.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, cast

import uuid_utils
from psycopg2 import sql
from psycopg2.extensions import connection

from benchmarks.populations import make_patients
from trially.recruiting.search.terms import terms_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

TABLES = ("patient", "patient_search_term")
_PATIENT = (
    *("tenant_id", "id", "source", "source_id", "mrn", "given_name", "family_name"),
    *("birth_date", "birth_date_precision", "sex", "phone", "email"),
)
_TERM = ("tenant_id", "id", "patient_id", "kind", "field", "term")

# Constraints need the other indexes.
_FREE_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY(%s::regclass[])
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


def seed(tenant: Tenant, others: Sequence[Tenant], number: int) -> dict[str, float]:
    """Store patients, give the same ones to other tenants of the pool; return what it took."""
    began = time.perf_counter()
    place = tenant.placement
    with (
        tempfile.TemporaryFile("w+") as patients,
        tempfile.TemporaryFile("w+") as terms,
        server_access().administer(place.database) as raw,
    ):
        _write_rows(str(tenant.id), number, patients, terms)
        written = time.perf_counter()
        with _without_indexes(raw, place.schema):
            _copy_in(raw, place.schema, "patient", _PATIENT, patients)
            _copy_in(raw, place.schema, "patient_search_term", _TERM, terms)
            copied = time.perf_counter()
            for other in others:
                for table in TABLES:
                    _copy_to(raw, place.schema, table, tenant, other)
            shared = time.perf_counter()
        indexed = time.perf_counter()
        execute(raw, "VACUUM ANALYZE")
    return {
        "compose_seconds": written - began,
        "copy_seconds": copied - written,
        "others_seconds": shared - copied,
        "index_seconds": indexed - shared,
        "vacuum_seconds": time.perf_counter() - indexed,
        "seconds": time.perf_counter() - began,
    }


def _write_rows(tenant_id: str, number: int, patients: TextIO, terms: TextIO) -> None:
    """Write the rows in the text format of COPY. No value has a character that needs an escape."""
    for patient in make_patients(number):
        patient_id = str(patient["id"])
        shown = {"source": "benchmark", "birth_date_precision": "day", **patient}
        values = (str(shown[name]) for name in _PATIENT[1:])
        patients.write("\t".join((tenant_id, *values)) + "\n")
        for term in terms_of({**shown, "names": None, "identifiers": None}):
            term_id = str(uuid_utils.uuid7())
            fields = (tenant_id, term_id, patient_id, term.kind, term.field, term.term)
            terms.write("\t".join(fields) + "\n")
    for file in (patients, terms):
        file.seek(0)


@contextmanager
def _without_indexes(raw: connection, schema: str) -> Iterator[None]:
    """Write without foreign keys, triggers and the indexes that no constraint needs."""
    execute(raw, "SET session_replication_role = replica")
    names = [f"{schema}.{table}" for table in TABLES]
    indexes = execute(raw, _FREE_INDEXES, names)
    for name, _ in indexes:
        execute(raw, f"DROP INDEX {name}")
    yield
    execute(raw, "SET maintenance_work_mem = '512MB'")
    for _, definition in indexes:
        execute(raw, definition)
    execute(raw, "RESET session_replication_role")


def _copy_in(
    raw: connection, schema: str, table: str, columns: Sequence[str], rows: TextIO
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with raw.cursor() as cursor:
        cursor.copy_expert(statement.as_string(raw), rows)


def _copy_to(raw: connection, schema: str, table: str, tenant: Tenant, other: Tenant) -> None:
    """Give the rows of a tenant to another one of the pool."""
    columns = _PATIENT if table == "patient" else _TERM
    others = sql.SQL(", ").join(map(sql.Identifier, columns[1:]))
    place = sql.Identifier(schema, table)
    execute(
        raw,
        sql.SQL("INSERT INTO {} (tenant_id, {}) SELECT %s, {} FROM {} WHERE tenant_id = %s").format(
            place, others, others, place
        ),
        str(other.id),
        str(tenant.id),
    )
