"""Write the names and search terms of patients, a whole batch in each statement.

The terms are always made from the patient's row, names and identifiers as they are in the database.
So it does not matter who changed them: a user, an import, or a command. The terms of a replaced
record find the record that is used in its place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from uuid_utils.compat import uuid7

from trially.database.changes import PATIENT_TABLE
from trially.database.placement import current_placement
from trially.database.rows import table_of
from trially.database.sealed_rows import open_row, open_rows, stored_row
from trially.database.sealing import field_state
from trially.database.session import db
from trially.database.since import lacking
from trially.recruiting.search.blinding import stored_terms
from trially.recruiting.search.current_records import current_records
from trially.recruiting.search.model import PatientName
from trially.recruiting.search.terms import terms_of

AT_A_TIME = 1_000
"""Patients that are indexed in one transaction."""

INDEXED = frozenset(
    {
        *("given_name", "family_name", "mrn", "birth_date", "birth_date_precision"),
        *("phone", "email", "custom"),
    }
)
"""The fields of a patient that terms are made from."""

NAME_COLUMNS = (
    "position integer, use text, given_name text, family_name text, full_name text,"
    " period_start text, period_end text"
)
_NAMES = "position, use, given_name, family_name, full_name, period_start, period_end"

_READ = f"""
SELECT patient.id, given_name, family_name, mrn, {{birth_date}}, birth_date_precision, phone, email,
    {{custom}} AS custom, sex, record_status, replaced_by_id,
    (SELECT json_agg(names ORDER BY position) FROM (
        SELECT {_NAMES} FROM patient_name
        WHERE patient_name.tenant_id = patient.tenant_id AND patient_name.patient_id = patient.id
    ) AS names) AS names, (SELECT json_agg(identifiers ORDER BY id) FROM (
        SELECT id, system, value, type, use, period_end, mrn_rank FROM patient_identifier
        WHERE patient_identifier.tenant_id = patient.tenant_id
        AND patient_identifier.patient_id = patient.id
    ) AS identifiers) AS identifiers
FROM patient
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = ANY(CAST(:ids AS uuid[]))
"""
_NEXT = """
SELECT id FROM patient
WHERE tenant_id = CAST(:tenant_id AS uuid) AND id > ALL(CAST(:ids AS uuid[]))
ORDER BY id LIMIT :limit
"""
_REMOVE_TERMS = """
DELETE FROM patient_search_term
WHERE tenant_id = CAST(:tenant_id AS uuid) AND (record_id = ANY(CAST(:ids AS uuid[]))
    OR record_id IS NULL AND patient_id = ANY(CAST(:ids AS uuid[])))
"""
ADD_TERMS = """
INSERT INTO patient_search_term (tenant_id, id, patient_id, record_id, kind, field, use, term)
SELECT CAST(:tenant_id AS uuid), id, patient_id, record_id, kind, field, use, term
FROM json_to_recordset(CAST({rows} AS json)) AS r(id uuid, patient_id uuid, record_id uuid,
    kind text, field text, use text, term text)
"""
_REMOVE_NAMES = """
DELETE FROM patient_name
WHERE tenant_id = CAST(:tenant_id AS uuid) AND patient_id = ANY(CAST(:ids AS uuid[]))
"""
ADD_NAMES = f"""
INSERT INTO patient_name (tenant_id, id, patient_id, {_NAMES})
SELECT CAST(:tenant_id AS uuid), id, patient_id, {_NAMES}
FROM json_to_recordset(CAST({{rows}} AS json)) AS r(id uuid, patient_id uuid, {NAME_COLUMNS})
"""


Transaction = Callable[[], AbstractContextManager[Any]]
"""Returns the context of a transaction, such as `trially.database.session.transaction`."""


def write_names(names: Mapping[UUID, Sequence[Mapping[str, Any]]]) -> None:
    """Replace the names of patients."""
    _run(_REMOVE_NAMES, ids=list(names))
    rows = [
        stored_row(
            table_of(PatientName),
            {"id": uuid7(), "patient_id": patient_id, "position": position, **name},
        )
        for patient_id, each in names.items()
        for position, name in enumerate(each)
    ]
    if rows:
        _run(ADD_NAMES.format(rows=":rows"), rows=rows)


def write_own_name(patient_id: UUID, given_name: str | None, family_name: str | None) -> None:
    """Replace the names of a patient who was entered by hand, who has one."""
    write_names({patient_id: [own_name(given_name, family_name)]})


def own_name(given_name: str | None, family_name: str | None) -> dict[str, Any]:
    """Return the name of a patient who was entered by hand."""
    name = dict.fromkeys(("use", "full_name", "period_start", "period_end"))
    return {**name, "given_name": given_name, "family_name": family_name}


def index_patients(patient_ids: Iterable[UUID]) -> None:
    """Write the terms of patients again, in the current transaction."""
    ids = list(patient_ids)
    if not ids:
        return
    records = read_patients(ids)
    replaced = [record["id"] for record in records if record["replaced_by_id"] is not None]
    current = current_records(replaced) if replaced else {}
    rows = [
        {"id": uuid7(), **_found_by(record["id"], current), **term}
        for record in records
        for term in stored_terms(terms_of(record))
    ]
    _run(_REMOVE_TERMS, ids=ids)
    if rows:
        _run(ADD_TERMS.format(rows=":rows"), rows=rows)


def _found_by(record_id: UUID, current: Mapping[UUID, UUID]) -> dict[str, UUID | None]:
    """Return the patient whom a record's terms find, and the record if it is replaced."""
    patient_id = current.get(record_id, record_id)
    return {"patient_id": patient_id, "record_id": None if patient_id == record_id else record_id}


def index_all_patients(transaction: Transaction) -> Iterator[int]:
    """Write the terms of all patients again, and yield the number of patients after each step."""
    return in_steps(index_patients, transaction, AT_A_TIME)


def in_steps(
    work: Callable[[list[UUID]], Any], transaction: Transaction, at_a_time: int
) -> Iterator[int]:
    """Work on all patients, some in each transaction, and yield their number after each step."""
    after = UUID(int=0)
    while True:
        with transaction():
            ids = [row.id for row in _run(_NEXT, ids=[after], limit=at_a_time)]
            if ids:
                work(ids)
        if not ids:
            return
        after = ids[-1]
        yield len(ids)


def read_patients(patient_ids: Iterable[UUID]) -> list[dict[str, Any]]:
    """Return what patients are found by, and compared by: columns, `names` and `identifiers`."""
    is_sealed = field_state().is_sealed
    dates = "birth_date, birth_date_sealed" if is_sealed else "birth_date"
    # A tenant of the revision before has no custom values.
    custom = (
        "'{}'::jsonb"
        if "custom" in lacking().of(PatientName.metadata.tables[PATIENT_TABLE])
        else "custom"
    )
    statement = _READ.format(birth_date=dates, custom=custom)
    found = [row._asdict() for row in _run(statement, ids=list(patient_ids))]
    return [_opened(row) for row in found] if is_sealed else found


def _opened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a patient whose columns, names and identifiers may be sealed, with plain values."""
    tables = PatientName.metadata.tables
    return {
        **open_row(tables[PATIENT_TABLE], row),
        "names": open_rows(table_of(PatientName), row["names"] or ()),
        "identifiers": open_rows(tables["patient_identifier"], row["identifiers"] or ()),
    }


def _run(
    statement: str,
    *,
    ids: Sequence[UUID] = (),
    rows: Sequence[Any] | None = None,
    **parameters: Any,
) -> Sequence[Row[Any]]:
    parameters["tenant_id"] = str(current_placement().tenant_id)
    if rows is None:
        parameters["ids"] = [str(each) for each in ids]
    else:
        parameters["rows"] = orjson.dumps(rows).decode()
    result = db.session.connection().execute(text(statement), parameters)
    return result.all() if result.returns_rows else []
