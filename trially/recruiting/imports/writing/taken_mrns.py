"""Find the patients of a batch who cannot have their MRN, because another patient has it.

MRNs are checked after all patients of a batch are written, so that patients may exchange them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select

from trially.database.rows import of_current_tenant
from trially.database.session import db
from trially.recruiting.imports.writing.resources import RecordKey, TranslatedResource
from trially.recruiting.imports.writing.upserting import run_with_rows
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.taken_mrns import check_deferred_mrns

Claim = tuple[str, str]
"""The system, empty if there is none, and the MRN."""

_FIND_TAKEN = """
SELECT written.base_url, written.source_id, other.base_url AS other_base_url,
    other.source_id AS other_source_id
FROM json_to_recordset(CAST(:rows AS json)) AS r(base_url text, source_id text)
JOIN patient written ON written.tenant_id = CAST(:tenant_id AS uuid)
    AND written.source = :source AND written.base_url = r.base_url
    AND written.source_id = r.source_id
JOIN patient other ON other.tenant_id = CAST(:tenant_id AS uuid) AND other.source = :source
    AND other.mrn_scope = written.mrn_scope AND other.mrn = written.mrn
    AND other.id <> written.id
ORDER BY other.id
"""


class TakenMrnError(Exception):
    """Patients of a batch were given MRNs that other patients have."""

    def __init__(self, pairs: Sequence[tuple[RecordKey, RecordKey]]) -> None:
        super().__init__(f"{len(pairs)} MRNs are taken.")
        self.pairs = pairs
        """A patient of the batch, and another one with the same MRN."""


def check_mrns(patients: Sequence[TranslatedResource], source: str) -> None:
    """Raise `TakenMrnError` if patients that were written have the MRNs of others."""
    rows = run_with_rows(
        _FIND_TAKEN,
        [{"base_url": each.key.base_url, "source_id": each.id} for each in patients],
        source=source,
    )
    if rows:
        raise TakenMrnError([(_key(row), _other_key(row)) for row in rows])
    check_deferred_mrns()


def find_refused(
    patients: Sequence[TranslatedResource], source: str, error: TakenMrnError
) -> Mapping[RecordKey, RecordKey]:
    """Return the patients to refuse, each with the patient that keeps the MRN.

    The writing of `patients` has been undone. The one that has the MRN in the database keeps it or,
    if none has, the first one. A patient that is refused keeps an MRN that others may have wanted,
    so that these are refused too.
    """
    stored = _find_claims(patients, source)
    wanted = {each.key: _claim_of(each) for each in patients}
    order = {key: number for number, key in enumerate(wanted)}

    def keeps(key: RecordKey) -> tuple[bool, int]:
        is_kept = key not in wanted or stored.get(key) == wanted[key]
        return not is_kept, order.get(key, -1)

    refused: dict[RecordKey, RecordKey] = {}
    for one, other in error.pairs:
        loser, winner = (one, other) if keeps(other) < keeps(one) else (other, one)
        refused.setdefault(loser, winner)
    pending = list(refused)
    while pending:
        loser = pending.pop()
        for key, claim in wanted.items():
            if key not in refused and claim == stored.get(loser) != stored.get(key):
                refused[key] = loser
                pending.append(key)
    return refused


def _find_claims(
    patients: Sequence[TranslatedResource], source: str
) -> Mapping[RecordKey, Claim | None]:
    """Return the MRNs that the stored versions of patients have; None if they hold none."""
    rows = db.session.execute(
        select(Patient.base_url, Patient.source_id, Patient.mrn_scope, Patient.mrn).where(
            of_current_tenant(Patient),
            Patient.source == source,
            Patient.source_id.in_([each.id for each in patients]),
        )
    )
    return {
        RecordKey("Patient", row.base_url, row.source_id): None
        if row.mrn_scope is None
        else (row.mrn_scope, row.mrn)
        for row in rows
    }


def _claim_of(patient: TranslatedResource) -> Claim | None:
    row = patient.rows[0]
    return (row["mrn_system"] or "", row["mrn"]) if row["active"] else None


def _key(row: Row[Any]) -> RecordKey:
    return RecordKey("Patient", row.base_url, row.source_id)


def _other_key(row: Row[Any]) -> RecordKey:
    return RecordKey("Patient", row.other_base_url, row.other_source_id)
