"""Store patients with their search terms by COPY, in a tenant and in its neighbours.

An import writes a thousand patients in each statement, and keeps nine indexes and the foreign keys
all the while. Here the rows are written without them, and the indexes are built at the end. The
terms are those of `terms_of`, which an import writes too.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

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
    *("id", "source", "source_id", "mrn", "given_name", "family_name"),
    *("birth_date", "birth_date_precision", "sex", "phone", "email"),
)
_TERM = ("id", "patient_id", "kind", "field", "term")
_TENANT_ID = "{tenant}"

# Constraints need the other indexes.
_FREE_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY(%s::regclass[])
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


class Rows:
    """Rows in the text format of COPY, with a placeholder for the tenant's id."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+")  # noqa: SIM115  it is closed with the object

    def write(self, *values: str) -> None:
        """Add a row. No value has a character that needs an escape."""
        self._file.write("\t".join((_TENANT_ID, *values)) + "\n")

    def of(self, tenant: Tenant) -> TextIO:
        """Return the rows of a tenant."""
        self._file.seek(0)
        return cast("TextIO", _TenantRows(self._file, str(tenant.id)))

    def close(self) -> None:
        """Delete the rows."""
        self._file.close()


class _TenantRows:
    """A file of rows, as far as psycopg2 reads it."""

    def __init__(self, file: TextIO, tenant_id: str) -> None:
        self._file = file
        self._tenant_id = tenant_id

    def read(self, size: int) -> str:
        return "".join(self._file.readlines(size)).replace(_TENANT_ID, self._tenant_id)


def compose_rows(number: int) -> tuple[Rows, Rows]:
    """Return the rows of some patients, and of their search terms."""
    return compose_rows_of(make_patients(number))


def compose_rows_of(people: Iterable[dict[str, Any]]) -> tuple[Rows, Rows]:
    """Return the rows of patients, and of their search terms."""
    patients, terms = Rows(), Rows()
    for patient in people:
        shown = {"source": "benchmark", "birth_date_precision": "day", **patient}
        patients.write(*(str(shown[name]) for name in _PATIENT))
        for term in terms_of(shown | dict.fromkeys(("names", "identifiers", "custom"))):
            term_id = str(uuid_utils.uuid7())
            terms.write(term_id, str(patient["id"]), term.kind, term.field, term.term)
    return patients, terms


def seed(tenant: Tenant, others: Sequence[Tenant], rows: tuple[Rows, Rows]) -> float:
    """Store patients, and the same ones in other tenants of the pool; return the seconds."""
    began = time.perf_counter()
    place = tenant.placement
    with server_access().administer(place.database) as raw:
        with _without_indexes(raw, place.schema):
            for table, columns, each in zip(TABLES, (_PATIENT, _TERM), rows, strict=True):
                _copy_in(raw, place.schema, table, columns, each.of(tenant))
                for other in others:
                    _copy_to(raw, place.schema, table, columns, tenant, other)
        execute(raw, "VACUUM ANALYZE")
    return time.perf_counter() - began


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
    statement = sql.SQL("COPY {} (tenant_id, {}) FROM STDIN").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with raw.cursor() as cursor:
        cursor.copy_expert(statement.as_string(raw), rows)


def _copy_to(
    raw: connection,
    schema: str,
    table: str,
    columns: Sequence[str],
    tenant: Tenant,
    other: Tenant,
) -> None:
    """Give the rows of a tenant to another one of the pool."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    place = sql.Identifier(schema, table)
    execute(
        raw,
        sql.SQL("INSERT INTO {} (tenant_id, {}) SELECT %s, {} FROM {} WHERE tenant_id = %s").format(
            place, names, names, place
        ),
        str(other.id),
        str(tenant.id),
    )
