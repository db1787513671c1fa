"""Write the matches of a study: only those that differ from what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from sqlalchemy import text
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.matching.model import IS_NUMBERED
from trially.recruiting.matching.packed_rows import copy_rows
from trially.recruiting.study_matching.ranks import VERDICTS
from trially.recruiting.study_matching.results import MATCH, Rows
from trially.recruiting.study_matching.studies import MatchedStudy

ROWS_AT_A_TIME = 5_000

_READ = f"""
SELECT subject.ordinal, array_position(%(verdicts)s::text[], match.verdict::text)::int2 - 1::int2,
    match.met, match.not_met, match.unknowns, match.rank, match.score,
    (match.protocol_version_id <> %(version_id)s)::int::int2
FROM match JOIN match_subject AS subject
    ON subject.tenant_id = %(tenant_id)s AND subject.patient_id = match.patient_id
WHERE match.tenant_id = %(tenant_id)s AND match.study_id = %(study_id)s
AND {IS_NUMBERED} {{of_some}}
ORDER BY subject.ordinal
"""
_WRITE = """
INSERT INTO match AS kept (tenant_id, id, study_id, protocol_version_id, patient_id, verdict, met,
    not_met, unknowns, rank, score)
SELECT CAST(:tenant_id AS uuid), row.id, CAST(:study_id AS uuid), CAST(:version_id AS uuid),
    subject.patient_id, row.verdict, row.met, row.not_met, row.unknowns, row.rank, row.score
FROM json_to_recordset(CAST(:rows AS json)) AS row(id uuid, ordinal int, verdict text, met bigint,
    not_met bigint, unknowns smallint, rank bigint, score smallint)
JOIN match_subject AS subject
    ON subject.tenant_id = CAST(:tenant_id AS uuid) AND subject.ordinal = row.ordinal
JOIN patient ON patient.tenant_id = subject.tenant_id AND patient.id = subject.patient_id
ON CONFLICT (tenant_id, study_id, patient_id) DO UPDATE
SET protocol_version_id = excluded.protocol_version_id, verdict = excluded.verdict,
    met = excluded.met, not_met = excluded.not_met, unknowns = excluded.unknowns,
    rank = excluded.rank, score = excluded.score, changed_at = now()
"""
_DELETE = """
DELETE FROM match USING match_subject AS subject
WHERE match.tenant_id = CAST(:tenant_id AS uuid) AND match.study_id = CAST(:study_id AS uuid)
AND subject.tenant_id = match.tenant_id AND subject.patient_id = match.patient_id
AND subject.ordinal = ANY (CAST(:ordinals AS int[]))
"""
_NAME_VERSION = """
UPDATE match SET protocol_version_id = CAST(:version_id AS uuid)
FROM match_subject AS subject
WHERE match.tenant_id = CAST(:tenant_id AS uuid) AND match.study_id = CAST(:study_id AS uuid)
AND subject.tenant_id = match.tenant_id AND subject.patient_id = match.patient_id
AND subject.ordinal = ANY (CAST(:ordinals AS int[]))
"""
_STORED = np.dtype([*MATCH.descr, ("is_of_other_version", "i2")])


@dataclass(frozen=True)
class Written:
    """How many matches a run has written."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.added + self.changed + self.removed

    def __add__(self, other: "Written") -> "Written":
        """Return the sums."""
        return Written(
            self.added + other.added, self.changed + other.changed, self.removed + other.removed
        )


def write_matches(study: MatchedStudy, matches: Rows, ordinals: list[int] | None = None) -> Written:
    """Write the matches of all patients, or of those with some ordinals, where they differ.

    `matches` has those that the patients have now; a patient without one loses a stored one.
    """
    parameters = {
        "tenant_id": str(current_placement().tenant_id),
        "study_id": str(study.study_id),
        "version_id": str(study.version_id),
        "verdicts": [str(each) for each in VERDICTS],
        "ordinals": ordinals or [],
    }
    of_some = "" if ordinals is None else "AND subject.ordinal = ANY (%(ordinals)s::int[])"
    found = copy_rows(_READ.format(of_some=of_some), parameters, _STORED)
    stored = np.empty(len(found), MATCH)
    for name in MATCH.names or ():
        stored[name] = found[name]
    new, changed, gone = _differences(stored, matches)
    for rows in _portions(np.concatenate([new, changed])):
        _run(_WRITE, study, rows=_json_of(rows))
    for rows in _portions(gone):
        _run(_DELETE, study, ordinals=rows.tolist())
    for rows in _portions(found["ordinal"][found["is_of_other_version"] == 1]):
        _run(_NAME_VERSION, study, ordinals=rows.tolist())
    return Written(len(new), len(changed), len(gone))


def _differences(stored: Rows, matches: Rows) -> tuple[Rows, Rows, Any]:
    """Return the new and the changed matches, and the ordinals of those that are gone."""
    places = np.searchsorted(stored["ordinal"], matches["ordinal"])
    known = np.zeros(len(matches), np.bool_)
    within = places < len(stored)
    known[within] = stored["ordinal"][places[within]] == matches["ordinal"][within]
    differs = np.zeros(len(matches), np.bool_)
    differs[known] = stored[places[known]] != matches[known]
    gone = stored["ordinal"][~np.isin(stored["ordinal"], matches["ordinal"])]
    return matches[~known], matches[differs], gone


def _portions(rows: Any) -> Iterator[Any]:
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        yield rows[start : start + ROWS_AT_A_TIME]


def _json_of(rows: Rows) -> str:
    names = [name for name in MATCH.names or () if name != "verdict"]
    listed = [
        {"id": uuid7(), "verdict": VERDICTS[row["verdict"]]}
        | {name: int(row[name]) for name in names}
        for row in rows
    ]
    return orjson.dumps(listed, default=str).decode()


def _run(statement: str, study: MatchedStudy, **parameters: Any) -> None:
    tenant_id: UUID = current_placement().tenant_id
    db.session.connection().execute(
        text(statement),
        {
            "tenant_id": str(tenant_id),
            "study_id": str(study.study_id),
            **({"version_id": str(study.version_id)} if ":version_id" in statement else {}),
            **parameters,
        },
    )
