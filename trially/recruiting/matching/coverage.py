"""Whose records cover a day: the tenant knows enough of them to take silence for absence.

A patient is covered if a record of any type surely began within the tenant's look-back. The rule is
`cover` of the evaluator of one patient.

What is kept is a day on which a record of each patient began, which serves later days and shorter
look-backs too. `match_subject` has each patient's newest record, so that no record needs to be
read, unless that one has not begun or is roughly dated. To look up a record takes a step in the
index of patient and start: many of them, in a large tenant, whose pages are all over the disk. So
of a day in the past, for which newer records do not count, recent encounters are read first, in the
order of an index.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import zstandard

from trially.database.placement import current_placement
from trially.recruiting.criteria.days import Moment
from trially.recruiting.matching.bits import Flags
from trially.recruiting.matching.lasting import is_of_former_day
from trially.recruiting.matching.model import IS_NUMBERED
from trially.recruiting.matching.packed_rows import Rows, copy_rows, row_type
from trially.recruiting.matching.sql_dates import DAY, LAST_AT, UTC_DAY
from trially.recruiting.matching.subjects import keeps_newest_records
from trially.recruiting.matching.usable import NOT_REFUTED, USED, used_of

NEWEST = row_type({"ordinal": "i4", "day": "i4", "later": "i2"})
"""A record of a patient, the newest that was found. `day` is when it surely began, or 0.

`later` says whether a record may have begun after that day: `NO`, `NEXT_DAY`, or `PERHAPS`.
"""

NO, NEXT_DAY, PERHAPS = 0, 1, 2

_ORDINAL = row_type({"ordinal": "i4"})

_UTC_DAY, _DAY = UTC_DAY.format("start"), DAY.format("start")
_COUNTS = f"{USED} AND {NOT_REFUTED}"
_OF_SUBJECT = f"""
    FROM clinical_fact
    WHERE tenant_id = %(tenant_id)s AND patient_id = subject.patient_id AND {_COUNTS}
    AND start_at >= %(since)s"""

# The date is known to the day, and the record has begun.
_HAS_BEGUN = f"""(CASE start_precision WHEN 'instant' THEN start_at <= %(at)s
    ELSE coalesce(start_precision, 'day') = 'day' AND {_UTC_DAY} <= %(today)s END)"""

# West of Greenwich, a record of the evening has a later instant than one that is known to be of the
# next day. So the newest instant may be of the day before the newest day.
_IS_OF_EVENING = f"(start_precision = 'instant' AND {_DAY} < {_UTC_DAY})"

_RECORD = f"start_at, {_DAY} AS day, {_HAS_BEGUN} AS has_begun, {_IS_OF_EVENING} AS is_of_evening"
# The newest record is as `match_subject` has it, or looked up. A patient with an encounter is not
# looked up: another record may have begun later.
_NEWEST = f"""
WITH visited AS MATERIALIZED ({{visited}})
SELECT subject.ordinal,
    coalesce(coalesce(visited.day, CASE WHEN newest.has_begun THEN newest.day ELSE begun.day END)
        - DATE '0001-01-01' + 1, 0),
    (CASE WHEN visited.day IS NOT NULL OR NOT newest.has_begun THEN {PERHAPS}
        WHEN newest.is_of_evening THEN {NEXT_DAY} ELSE {NO} END)::int2
FROM match_subject AS subject
LEFT JOIN visited ON visited.patient_id = subject.patient_id
LEFT JOIN LATERAL (
    SELECT {_RECORD} FROM ({{known}}) AS known WHERE start_at >= %(since)s
    UNION ALL (
        SELECT {_RECORD} {_OF_SUBJECT} AND {{is_unknown}}
        ORDER BY start_at DESC LIMIT 1
    )
) AS newest ON visited.day IS NULL
LEFT JOIN LATERAL (
    SELECT {_RECORD} {_OF_SUBJECT} AND NOT newest.has_begun AND {_HAS_BEGUN}
    ORDER BY start_at DESC LIMIT 1
) AS begun ON true
WHERE subject.tenant_id = %(tenant_id)s AND {IS_NUMBERED} {{of_some}}
AND (visited.day IS NOT NULL OR newest.day IS NOT NULL)
"""
_KEPT = {
    "known": "SELECT subject.newest_at AS start_at, subject.newest_precision AS start_precision"
    " WHERE subject.newest_known",
    "is_unknown": "NOT subject.newest_known",
}
_NOT_KEPT = {
    "known": "SELECT NULL::timestamptz AS start_at, NULL::text AS start_precision",
    "is_unknown": "true",
}
_VISITED = f"""
SELECT patient_id, max({_DAY}) AS day FROM clinical_fact
WHERE tenant_id = %(tenant_id)s AND {used_of("encounter")} AND {NOT_REFUTED}
    AND {LAST_AT} >= %(since)s AND start_at >= %(since)s AND {_HAS_BEGUN}
GROUP BY patient_id"""
_NOT_READ = "SELECT NULL::uuid AS patient_id, NULL::date AS day WHERE false"
_OF_SOME = "AND subject.patient_id = ANY (%(patients)s::uuid[])"

_IS_ROUGH = "start_precision IN ('month', 'year')"
_FIRST = f"""(CASE WHEN {_IS_ROUGH}
    THEN date_trunc(start_precision, start_at AT TIME ZONE 'UTC')::date ELSE {_DAY} END)"""
_LAST = f"""(CASE WHEN {_IS_ROUGH}
    THEN ({_FIRST} + ('1 ' || start_precision)::interval - interval '1 day')::date
    ELSE {_DAY} END)"""
# What is on record had begun when it was recorded.
_KNOWN = "(coalesce(recorded_at, created_at) AT TIME ZONE %(zone)s)::date"
_COVERED = f"""
SELECT ordinal FROM match_subject AS subject
WHERE tenant_id = %(tenant_id)s AND ordinal = ANY (%(ordinals)s::int[]) AND EXISTS (
    SELECT {_OF_SUBJECT} AND {_FIRST} >= %(first_day)s
    AND ({_LAST} <= %(today)s OR ({_IS_ROUGH} AND {_KNOWN} BETWEEN {_FIRST} AND %(today)s))
    AND (start_precision IS DISTINCT FROM 'instant' OR start_at <= %(at)s)
)
"""

_ZONES = dt.timedelta(days=1)
_DAY_BYTES = 4


@dataclass(frozen=True)
class NewestRecords:
    """When the newest record of each patient began."""

    rows: Rows
    """`NEWEST`, in any order. Patients without a dated record have none."""

    since: int
    """The first day for which they are right."""

    first_day: int
    """Records that began before it are left out. So they serve look-backs until then."""

    def dump(self) -> bytes:
        """Return them as bytes for `load`."""
        days = self.since.to_bytes(_DAY_BYTES) + self.first_day.to_bytes(_DAY_BYTES)
        content = days + self.rows.tobytes()
        return zstandard.ZstdCompressor(level=1).compress(content)

    @classmethod
    def load(cls, stored: bytes) -> "NewestRecords":
        """Return what `dump` has written."""
        content = zstandard.ZstdDecompressor().decompress(stored)
        since = int.from_bytes(content[:_DAY_BYTES])
        first_day = int.from_bytes(content[_DAY_BYTES : 2 * _DAY_BYTES])
        return cls(np.frombuffer(content, NEWEST, offset=2 * _DAY_BYTES), since, first_day)

    def serve(self, moment: Moment) -> bool:
        """Return whether they say who is covered at a moment."""
        return self.since <= moment.today and self.first_day <= moment.before(moment.look_back)

    def patched(self, ordinals: Sequence[int], read: "NewestRecords") -> "NewestRecords":
        """Return them with what was read of some patients in place of what is here."""
        kept = self.rows[~np.isin(self.rows["ordinal"], np.array(ordinals, np.int32))]
        return NewestRecords(
            np.concatenate([kept, read.rows]),
            max(self.since, read.since),
            max(self.first_day, read.first_day),
        )

    def covered(self, size: int, moment: Moment) -> Flags:
        """Return for each ordinal whether the patient is covered. Few records need to be read."""
        first_day = moment.before(moment.look_back)
        rows = self.rows[self.rows["ordinal"] < size]
        is_covered = rows["day"] >= first_day
        is_unsure = (rows["later"] == PERHAPS) | (
            (rows["later"] == NEXT_DAY) & (rows["day"] == first_day - 1)
        )
        covered = np.zeros(size, np.bool_)
        covered[rows["ordinal"][is_covered]] = True
        unsure = rows["ordinal"][is_unsure & ~is_covered]
        if len(unsure):
            covered[_read_covered(unsure.tolist(), moment, first_day)["ordinal"]] = True
        return covered


def read_newest(moment: Moment, patients: Sequence[UUID] | None = None) -> NewestRecords:
    """Read when the newest records of all patients began, or of some, within the look-back."""
    keeps_newest = keeps_newest_records()
    reads_visits = patients is None and (is_of_former_day(moment) or not keeps_newest)
    query = _NEWEST.format(
        visited=_VISITED if reads_visits else _NOT_READ,
        of_some="" if patients is None else _OF_SOME,
        **(_KEPT if keeps_newest else _NOT_KEPT),
    )
    first_day = moment.before(moment.look_back)
    parameters = _parameters(moment, first_day)
    parameters["patients"] = [str(each) for each in patients or ()]
    return NewestRecords(copy_rows(query, parameters, NEWEST), moment.today, first_day)


def _read_covered(ordinals: list[int], moment: Moment, first_day: int) -> Rows:
    """Read which of some patients are covered."""
    parameters = _parameters(moment, first_day) | {
        "ordinals": ordinals,
        "first_day": dt.date.fromordinal(first_day),
    }
    return copy_rows(_COVERED, parameters, _ORDINAL)


def _parameters(moment: Moment, first_day: int) -> dict[str, Any]:
    return {
        "since": moment.days.midnight(first_day) - _ZONES,
        "tenant_id": str(current_placement().tenant_id),
        "zone": str(moment.days.zone),
        "at": moment.at,
        "today": dt.date.fromordinal(moment.today),
    }
