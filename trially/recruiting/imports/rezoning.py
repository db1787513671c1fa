"""Read times without an offset again, after the time zone of their source or tenant has changed.

The day and the time that the source wrote stay, and the instant changes. A record remembers the
zone in which its times were read: so a batch finds the records of other zones, and repeating it
after an interruption does only the rest.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select, text

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.documents.model import Document
from trially.recruiting.imports.fhir.dates import offset_in
from trially.recruiting.imports.writing.statements import INCREMENT_VERSION
from trially.recruiting.imports.writing.upserting import run_with_rows
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.sources.locking import lock_source
from trially.recruiting.sources.model import RecordSource, time_zone_changes

ROWS_AT_ONCE = 1_000
ROWS_OF_REQUEST = 5_000

_TIMES = ("start", "end", "recorded")
_FIND_FACTS = f"""
SELECT id, patient_id, type, zoned_times, {", ".join(f"{t}_at, {t}_offset" for t in _TIMES)}
FROM clinical_fact
WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source AND zone <> :zone
ORDER BY id LIMIT :most FOR UPDATE
"""
_WRITE_FACTS = f"""
UPDATE clinical_fact SET zone = :zone, updated_at = now(),
    {", ".join(f"{t}_at = r.{t}_at, {t}_offset = r.{t}_offset" for t in _TIMES)},
    date_problem = CASE
        WHEN start_precision <> 'instant' OR end_precision <> 'instant'
            OR date_problem <> 'ends_before_start' THEN date_problem
        WHEN r.end_at < r.start_at THEN 'ends_before_start'
    END
FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid,
    {", ".join(f"{t}_at timestamptz, {t}_offset smallint" for t in _TIMES)})
WHERE clinical_fact.tenant_id = CAST(:tenant_id AS uuid) AND clinical_fact.id = r.id
"""
_FIND_DOCUMENTS = """
SELECT id, patient_id, at, at_offset FROM document
WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source AND zone <> :zone
ORDER BY id LIMIT :most FOR UPDATE
"""
_WRITE_DOCUMENTS = """
UPDATE document SET zone = :zone, updated_at = now(), at = r.at, at_offset = r.at_offset
FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, at timestamptz, at_offset smallint)
WHERE document.tenant_id = CAST(:tenant_id AS uuid) AND document.id = r.id
"""
_FIND_PATIENTS = """
SELECT id, deceased_at, deceased_zone FROM patient
WHERE tenant_id = CAST(:tenant_id AS uuid) AND source = :source AND deceased_zone <> :zone
AND NOT corrections ? 'deceased_at'
ORDER BY id LIMIT :most FOR UPDATE
"""
_WRITE_PATIENTS = """
UPDATE patient SET deceased_zone = :zone, deceased_at = r.deceased_at
FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, deceased_at timestamptz)
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = r.id
"""
_TOUCH = f"""
UPDATE patient SET {INCREMENT_VERSION}, updated_at = now()
FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid)
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = r.id
"""

Begin = Callable[[], AbstractContextManager[None]]


def zones_of_sources(tenant_zone: str) -> Mapping[str, str]:
    """Return the time zone of each source: its own, or else the tenant's."""
    source = table_of(RecordSource).c
    statement = select(
        source.name, func.coalesce(source.time_zone, tenant_zone).label("zone")
    ).where(of_current_tenant(RecordSource))
    return {row["name"]: row["zone"] for row in fetch_items(statement.order_by(source.name))}


def count_outdated(source: str, zone: str) -> int:
    """Return how many records and patients of a source have times that were read in other zones."""
    fact, patient = table_of(ClinicalFact).c, table_of(Patient).c
    facts = select(func.count()).where(
        of_current_tenant(ClinicalFact), fact.source == source, fact.zone != zone
    )
    document = table_of(Document).c
    documents = select(func.count()).where(
        of_current_tenant(Document), document.source == source, document.zone != zone
    )
    patients = select(func.count()).where(
        of_current_tenant(Patient),
        patient.source == source,
        patient.deceased_zone != zone,
        ~patient.corrections.has_key("deceased_at"),
    )
    number: int = sum(
        db.session.execute(each).scalar_one() for each in (facts, documents, patients)
    )
    return number


def rezone_source(source: str, zone: str, begin: Begin = transaction) -> int:
    """Read all times of a source in a zone, some in each transaction; return how many changed."""
    done = 0
    while True:
        with begin():
            number = rezone_some(source, zone)
        done += number
        if number < ROWS_AT_ONCE:
            return done


def rezone_some(source: str, zone: str, most: int = ROWS_AT_ONCE) -> int:
    """Read the times of some records of a source in a zone, and return how many there were."""
    lock_source(source)
    found = _find(_FIND_FACTS, source, zone, most)
    documents = _find(_FIND_DOCUMENTS, source, zone, most - len(found))
    dead = _find(_FIND_PATIENTS, source, zone, most - len(found) - len(documents))
    if found:
        run_with_rows(_WRITE_FACTS, [_moved_fact(row, zone) for row in found], zone=zone)
    if documents:
        run_with_rows(
            _WRITE_DOCUMENTS, [_moved_document(row, zone) for row in documents], zone=zone
        )
    if dead:
        run_with_rows(_WRITE_PATIENTS, [_moved_death(row, zone) for row in dead], zone=zone)
    touched = {row.patient_id for row in (*found, *documents)} | {row.id for row in dead}
    if touched:
        run_with_rows(_TOUCH, [{"id": patient_id} for patient_id in touched])
    note_written("clinical_fact", "document", "patient", patients=touched)
    return len(found) + len(documents) + len(dead)


def _find(statement: str, source: str, zone: str, most: int) -> list[Row[Any]]:
    parameters = {"source": source, "zone": zone, "most": most}
    tenant_id = str(current_placement().tenant_id)
    result = db.session.connection().execute(
        text(statement), {**parameters, "tenant_id": tenant_id}
    )
    return list(result)


def _moved_fact(row: Row[Any], zone: str) -> dict[str, Any]:
    """Return the times of a record. Those with an offset of their own stay."""
    zoned = row.zoned_times.split()
    values: dict[str, Any] = {"id": row.id}
    for time in _TIMES:
        at, offset = getattr(row, f"{time}_at"), getattr(row, f"{time}_offset")
        if time in zoned and at is not None:
            at, offset = _move(at, offset or 0, zone)
        values[f"{time}_at"], values[f"{time}_offset"] = at, offset
    return values


def _moved_document(row: Row[Any], zone: str) -> dict[str, Any]:
    at, offset = _move(row.at, row.at_offset or 0, zone)
    return {"id": row.id, "at": at, "at_offset": offset}


def _moved_death(row: Row[Any], zone: str) -> dict[str, Any]:
    local = row.deceased_at.astimezone(ZoneInfo(row.deceased_zone)).replace(tzinfo=None)
    moved = local - offset_in(ZoneInfo(zone), local)
    return {"id": row.id, "deceased_at": f"{moved.isoformat()}Z"}


def _move(at: dt.datetime, offset: int, zone: str) -> tuple[dt.datetime, int]:
    """Return the instant at which a zone's clocks show the same, and the zone's offset then."""
    local = at.astimezone(dt.UTC).replace(tzinfo=None) + dt.timedelta(minutes=offset)
    moved = offset_in(ZoneInfo(zone), local)
    return (local - moved).replace(tzinfo=dt.UTC), int(moved.total_seconds() // 60)


@time_zone_changes.connect
def _rezone_first(source: str, *, zone: str) -> None:
    """Read the times of the first records at once. The next import of the source does the rest."""
    rezone_some(source, zone, ROWS_OF_REQUEST)
