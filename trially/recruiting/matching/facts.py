"""Read the facts of some patients that can decide some leaves."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from trially.database.placement import current_placement
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.facts import Fact
from trially.recruiting.matching.deciding import Wanted
from trially.recruiting.matching.row_tuples import fetch_rows
from trially.recruiting.matching.sql_dates import IS_ROUGH
from trially.recruiting.matching.usable import NOT_REFUTED, OBSERVATION, USED

PATIENTS_AT_A_TIME = 100
"""Patients whose facts are in memory at once.

The transaction is idle while they are judged, and PostgreSQL ends it after a minute. Many studies
take tens of milliseconds of CPU for a patient.
"""

_IS_ROUGH = IS_ROUGH.format("start")
_IS_UNCLEAR = f"(start_at IS NULL OR {_IS_ROUGH})"

_COLUMNS = {name: name for name in Fact._fields} | {
    # The facts that are used have these values, and only dates that are not known to the day are
    # compared with when the fact was created.
    "negated": "false",
    "focus": "NULL",
    "date_problem": "NULL",
    "entered_in_error": "false",
    "withdrawn_at": "NULL",
    "created_at": f"CASE WHEN recorded_at IS NULL AND {_IS_UNCLEAR} THEN created_at END",
}

_HAS_BEGUN = f"{NOT_REFUTED} AND NOT {_IS_ROUGH} AND start_at <= %(begun_by)s"

# An observation may be the latest of its code, if it is no older than one that surely has begun.
# Days of time zones are up to a day earlier or later.
_MAY_BE_LATEST = f"""(type <> '{OBSERVATION}'
    OR coalesce(code_system || '|' || code, '') <> ALL (%(latest)s::text[])
    OR jsonb_typeof(other_codings) = 'array' OR {_IS_UNCLEAR} OR latest_at IS NULL
    OR start_at > latest_at - interval '72 hours')"""

# The newest that surely has begun covers until today. Those that are about as new may be of a later
# day, and those that have not surely begun say when the coverage changes.
_MAY_COVER = f"""%(coverage)s AND {NOT_REFUTED} AND (
    newest_at IS NULL OR start_at > newest_at - interval '48 hours'
    OR ({_IS_ROUGH} AND start_at > %(begun_by)s - interval '800 days')
    OR (start_at IS NULL AND coalesce(recorded_at, created_at) > %(begun_by)s))"""

# Of facts that only cover, one of each time is enough.
_READ = f"""
SELECT {", ".join(f"fact.{name}" for name in Fact._fields)}, patient.number
FROM unnest(%(patients)s::uuid[]) WITH ORDINALITY AS patient (id, number)
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (only_id, start_at, start_precision)
        CASE WHEN decides OR {_IS_UNCLEAR} THEN id END AS only_id,
        {", ".join(f"{column} AS {name}" for name, column in _COLUMNS.items())}
    FROM (
        SELECT *, is_read AND {_MAY_BE_LATEST} AS decides
        FROM (
            SELECT {", ".join(Fact._fields)}, coalesce({{condition}}, false) AS is_read,
                max(start_at) FILTER (WHERE {_HAS_BEGUN})
                    OVER (PARTITION BY type, code COLLATE "C", code_system) AS latest_at,
                max(start_at) FILTER (WHERE {_HAS_BEGUN}) OVER () AS newest_at
            FROM clinical_fact
            WHERE tenant_id = %(tenant_id)s AND patient_id = patient.id AND {USED}
        ) AS used
    ) AS judged
    WHERE decides OR ({_MAY_COVER})
    ORDER BY only_id, start_at, start_precision
) AS fact
"""
_MARGIN = dt.timedelta(days=2)


def read_facts(
    patient_ids: Sequence[UUID], moment: Moment, wanted: Wanted
) -> Mapping[UUID, Sequence[Fact]]:
    """Return the facts of each of some patients that can decide what is wanted.

    They are right for a moment and for later ones. The facts of a patient are in one order.
    """
    rows = fetch_rows(
        _READ.format(condition=wanted.condition),
        {
            "tenant_id": str(current_placement().tenant_id),
            "patients": [str(each) for each in patient_ids],
            "begun_by": moment.at - _MARGIN,
            "latest": list(wanted.latest),
            "coverage": wanted.coverage,
            **wanted.parameters,
        },
    )
    found = defaultdict[UUID, list[Fact]](list)
    make = Fact._make
    for row in rows:
        found[patient_ids[row[-1] - 1]].append(make(row[:-1]))
    return found


def in_portions(patient_ids: Iterable[UUID]) -> Iterator[Sequence[UUID]]:
    """Yield patients in portions whose facts fit into memory."""
    ids = list(patient_ids)
    for start in range(0, len(ids), PATIENTS_AT_A_TIME):
        yield ids[start : start + PATIENTS_AT_A_TIME]
