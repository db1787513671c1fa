"""Withdraw records that their source has deleted, or that it no longer says in a usable way."""

import datetime as dt
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from uuid_utils.compat import uuid7

from trially.database.changes import note_derived, note_written
from trially.recruiting.documents.model import DOCUMENT_TYPES
from trially.recruiting.imports.fhir.meta import Version, read_instant, read_number
from trially.recruiting.imports.reading.records import Deletion
from trially.recruiting.imports.source_state import SourceState
from trially.recruiting.imports.writing.resources import RecordKey, WriteCounts
from trially.recruiting.imports.writing.statements import INCREMENT_VERSION, RECOUNT_ENCOUNTERS
from trially.recruiting.imports.writing.upserting import is_newer, run_with_rows
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.patients.merging import stop_replacing

_RECORDSET = (
    "json_to_recordset(CAST(:rows AS json)) AS r(id uuid, base_url text, source_type text,"
    " source_id text, reason text, version_at timestamptz, version_number bigint)"
)

# A withdrawn record of a patient leaves the facts about the patient as they are.
_WITHDRAW_PATIENTS = f"""
UPDATE patient SET withdrawn_at = now(), withdrawn_reason = r.reason, updated_at = now(),
    version_at = coalesce(r.version_at, patient.version_at),
    version_number = coalesce(r.version_number, patient.version_number), {INCREMENT_VERSION}
FROM {_RECORDSET}
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.source = :source
AND patient.base_url = r.base_url AND patient.source_id = r.source_id
AND r.source_type = 'Patient' AND patient.withdrawn_at IS NULL
AND {is_newer("patient", "r")} IS NOT TRUE
RETURNING r.source_type, patient.id AS patient_id, 0 AS component
"""


def _compose_withdrawal(table: str, component: str) -> str:
    """Compose the statement that withdraws records about patients."""
    return f"""
WITH withdrawn AS (
    UPDATE {table} record SET withdrawn_at = now(), withdrawn_reason = r.reason,
        updated_at = now(), version_at = coalesce(r.version_at, record.version_at),
        version_number = coalesce(r.version_number, record.version_number)
    FROM {_RECORDSET}
    WHERE record.tenant_id = CAST(:tenant_id AS uuid) AND record.source = :source
    AND record.base_url = r.base_url AND record.source_type = r.source_type
    AND record.source_id = r.source_id AND record.withdrawn_at IS NULL
    AND {is_newer("record", "r")} IS NOT TRUE
    RETURNING record.source_type, record.patient_id, {component} AS component
), touched AS (
    UPDATE patient SET {INCREMENT_VERSION}, updated_at = now()
    WHERE patient.tenant_id = CAST(:tenant_id AS uuid)
    AND patient.id IN (SELECT patient_id FROM withdrawn)
)
SELECT source_type, patient_id, component FROM withdrawn
"""


_WITHDRAW_FACTS = _compose_withdrawal("clinical_fact", "record.component")
_WITHDRAW_DOCUMENTS = _compose_withdrawal("document", "0")

_FIND_NEWER_PATIENTS = f"""
SELECT r.source_type FROM {_RECORDSET}
JOIN patient ON patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.source = :source
    AND patient.base_url = r.base_url AND patient.source_id = r.source_id
WHERE r.source_type = 'Patient' AND {is_newer("patient", "r")}
"""


def _compose_search_of_newer(table: str, condition: str) -> str:
    """Compose the statement that finds the withdrawals that came too late."""
    return f"""
SELECT r.source_type FROM {_RECORDSET}
JOIN {table} record ON record.tenant_id = CAST(:tenant_id AS uuid) AND record.source = :source
    AND record.base_url = r.base_url AND record.source_type = r.source_type
    AND record.source_id = r.source_id AND {condition}
WHERE {is_newer("record", "r")}
"""


_FIND_NEWER_FACTS = _compose_search_of_newer("clinical_fact", "record.component = 0")
_FIND_NEWER_DOCUMENTS = _compose_search_of_newer("document", "true")

_RECORD_DELETIONS = f"""
INSERT INTO record_deletion (tenant_id, id, source, base_url, source_type, source_id, version_at,
    version_number)
SELECT CAST(:tenant_id AS uuid), r.id, :source, r.base_url, r.source_type, r.source_id,
    r.version_at, r.version_number
FROM {_RECORDSET}
ON CONFLICT (tenant_id, source, base_url, source_type, source_id) DO UPDATE
SET version_at = excluded.version_at, version_number = excluded.version_number
WHERE {is_newer("record_deletion", "excluded")} IS NOT TRUE
"""


_STATEMENTS = (
    ("Patient", _WITHDRAW_PATIENTS, _FIND_NEWER_PATIENTS),
    ("document", _WITHDRAW_DOCUMENTS, _FIND_NEWER_DOCUMENTS),
    ("fact", _WITHDRAW_FACTS, _FIND_NEWER_FACTS),
)
"""The statements that withdraw records of a kind, and find those that are newer."""


_TABLES = ("patient", "clinical_fact", "document")


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A record that is no longer to be used."""

    key: RecordKey
    reason: WithdrawalReason
    version: Version


def withdrawal_of_deletion(deletion: Deletion, source: SourceState) -> Withdrawal:
    """Return the withdrawal of a deleted record.

    A deletion without a time counts as made now: versions that were written before do not bring
    the record back, and later ones do.
    """
    at = read_instant({"modified": deletion.modified}, "modified")
    number = read_number(deletion.etag)
    if at is None and number is None:
        at = dt.datetime.now(dt.UTC).isoformat()
    key = RecordKey(deletion.type, source.foreign_base(deletion.base_url), deletion.id)
    return Withdrawal(key, WithdrawalReason.DELETED, Version(at, number))


def withdraw_records(withdrawals: Collection[Withdrawal], source: str, counts: WriteCounts) -> None:
    """Withdraw the stored records, unless they are newer, and remember deletions."""
    if not withdrawals:
        return
    rows: list[dict[str, Any]] = [
        {
            **each.key.columns(),
            "id": uuid7(),
            "reason": each.reason.value,
            "version_at": each.version.at,
            "version_number": each.version.number,
        }
        for each in withdrawals
    ]
    of_kind = {
        kind: [row for row in rows if _kind_of(row["source_type"]) == kind]
        for kind in ("Patient", "document", "fact")
    }
    withdrawn: list[Row[Any]] = []
    for kind, withdraw, find_newer in _STATEMENTS:
        if of_kind[kind]:
            done = run_with_rows(withdraw, of_kind[kind], source=source)
            note_written(*_TABLES, patients=[row.patient_id for row in done])
            withdrawn += done
            newer = run_with_rows(find_newer, of_kind[kind], source=source)
            counts.update((row.source_type, "stale") for row in newer)
    counts.update(_count(withdrawn))
    people = [row.patient_id for row in withdrawn if row.source_type == "Patient"]
    if people:
        stop_replacing(people, source)
    seen = {row.patient_id for row in withdrawn if row.source_type == "Encounter"}
    if seen:
        run_with_rows(RECOUNT_ENCOUNTERS, [{"id": patient_id} for patient_id in seen])
        note_derived("patient")
    deleted = [row for row in rows if row["reason"] == WithdrawalReason.DELETED.value]
    if deleted:
        run_with_rows(_RECORD_DELETIONS, deleted, source=source)


def _count(rows: Collection[Row[object]]) -> WriteCounts:
    return Counter((row.source_type, "withdrawn") for row in rows if row.component == 0)


def _kind_of(source_type: str) -> str:
    """Return in which table records of a type are."""
    if source_type == "Patient":
        return "Patient"
    return "document" if source_type in DOCUMENT_TYPES else "fact"
