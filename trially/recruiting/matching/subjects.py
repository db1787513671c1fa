"""Number the patients of a tenant, and their changes.

A trigger takes the number from a patient who changes. Numbers are given here, when matching reads:
at that time all changes that count are committed. So the numbers grow in the order of the commits,
and a change that is not committed yet gets a higher one later.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, func, select, text, update

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.database.since import lacking
from trially.recruiting.matching.model import CLOCK_ID, MatchClock, MatchSubject
from trially.recruiting.matching.usable import NOT_REFUTED, USED

_clock, _subject = table_of(MatchClock), table_of(MatchSubject)

_READ = """
SELECT change_number, EXISTS (
    SELECT FROM match_subject
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND change_number IS NULL
) AS has_changes
FROM match_clock WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = CAST(:clock_id AS uuid)
"""
_BEGIN = """
WITH clock AS (
    INSERT INTO match_clock (tenant_id, id, change_number, next_ordinal)
    VALUES (CAST(:tenant_id AS uuid), CAST(:clock_id AS uuid), 0, 0)
    ON CONFLICT (tenant_id, id) DO NOTHING RETURNING tenant_id
)
INSERT INTO match_subject (tenant_id, id, patient_id)
SELECT patient.tenant_id, gen_random_uuid(), patient.id
FROM clock JOIN patient ON patient.tenant_id = clock.tenant_id
ON CONFLICT (tenant_id, patient_id) DO NOTHING
"""
_LOCK = """
SELECT change_number, next_ordinal FROM match_clock
WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = CAST(:clock_id AS uuid) FOR UPDATE
"""
# A row that is locked has changed again, and is not committed yet. It gets its number later.
_NUMBER = """
WITH pending AS (
    SELECT id, ordinal FROM match_subject
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND change_number IS NULL
    FOR UPDATE SKIP LOCKED
), ordered AS (
    SELECT id, coalesce(ordinal, CAST(:next_ordinal AS int) - 1
        + CAST(row_number() OVER (PARTITION BY ordinal IS NULL ORDER BY id) AS int)) AS ordinal
    FROM pending
), numbered AS (
    UPDATE match_subject AS subject
    SET change_number = :change_number, ordinal = ordered.ordinal
    FROM ordered WHERE subject.tenant_id = CAST(:tenant_id AS uuid) AND subject.id = ordered.id
    RETURNING subject.ordinal
), clock AS (
    UPDATE match_clock SET change_number = :change_number,
        next_ordinal = greatest(next_ordinal, (SELECT max(ordinal) + 1 FROM numbered))
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND id = CAST(:clock_id AS uuid)
    AND EXISTS (SELECT FROM numbered)
    RETURNING 1
)
SELECT count(*) FROM clock
"""
MOST_LOOKED_UP = 2_000
"""So many newest records are looked up at a time. More are left for the next numbering."""

# Locked first: who waits for the lock then sees the records of the transaction that held it.
_LOCK_UNKNOWN = f"""
SELECT id FROM match_subject
WHERE tenant_id = CAST(:tenant_id AS uuid) AND NOT newest_known AND patient_id IS NOT NULL
LIMIT {MOST_LOOKED_UP} FOR UPDATE SKIP LOCKED
"""
_LOOK_UP = f"""
UPDATE match_subject AS subject SET newest_known = true, newest_at = newest.start_at,
    newest_precision = newest.start_precision
FROM match_subject AS unknown LEFT JOIN LATERAL (
    SELECT start_at, start_precision FROM clinical_fact
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND patient_id = unknown.patient_id
        AND start_at IS NOT NULL AND {USED} AND {NOT_REFUTED}
    ORDER BY start_at DESC LIMIT 1
) AS newest ON true
WHERE unknown.tenant_id = CAST(:tenant_id AS uuid) AND unknown.id = ANY (CAST(:ids AS uuid[]))
    AND subject.tenant_id = unknown.tenant_id AND subject.id = unknown.id
"""


def number_changes() -> int:
    """Give a number to the changes that are committed and have none; return the last number.

    Every patient then has an ordinal, except those whose first transaction is not committed yet.
    Writes nothing if nothing has changed. It runs in the caller's transaction, which must end soon:
    others who number wait for it.
    """
    tenant = {"tenant_id": str(current_placement().tenant_id), "clock_id": str(CLOCK_ID)}
    connection = db.session.connection()
    clock = connection.execute(text(_READ), tenant).one_or_none()
    if clock is not None and not clock.has_changes:
        return int(clock.change_number)
    if clock is None:
        connection.execute(text(_BEGIN), tenant)
    last = connection.execute(text(_LOCK), tenant).one()
    number = last.change_number + 1
    changed = connection.execute(
        text(_NUMBER), {**tenant, "change_number": number, "next_ordinal": last.next_ordinal}
    ).scalar_one()
    _look_up_newest_records()
    return number if changed else int(last.change_number)


def keeps_newest_records() -> bool:
    """Return whether the current tenant has the columns of the newest records."""
    return not lacking().of(_subject)


def _look_up_newest_records() -> None:
    """Find the newest records of patients of whom they are not known, of some if they are many."""
    if not keeps_newest_records():
        return
    connection = db.session.connection()
    tenant = {"tenant_id": str(current_placement().tenant_id)}
    ids = [str(each) for each in connection.execute(text(_LOCK_UNKNOWN), tenant).scalars()]
    if ids:
        connection.execute(text(_LOOK_UP), {**tenant, "ids": ids})


def matched_up_to() -> tuple[int, dt.date | None]:
    """Return the change and the day from which the matches of all studies follow."""
    row = db.session.execute(
        select(_clock.c.matched_number, _clock.c.matched_on).where(
            of_current_tenant(MatchClock), _clock.c.id == CLOCK_ID
        )
    ).one_or_none()
    return (0, None) if row is None else (row.matched_number, row.matched_on)


def count_changed_since(number: int) -> int:
    """Count the patients who changed after a number, also those whose change has none yet."""
    return int(
        db.session.execute(
            select(func.count())
            .select_from(_subject)
            .where(
                of_current_tenant(MatchSubject),
                _subject.c.change_number.is_(None) | (_subject.c.change_number > number),
            )
        ).scalar_one()
    )


def note_matched(number: int, day: dt.date) -> None:
    """Note from which change and day the matches of all studies follow."""
    db.session.execute(
        update(_clock)
        .where(
            of_current_tenant(MatchClock),
            _clock.c.id == CLOCK_ID,
            (_clock.c.matched_number != number) | _clock.c.matched_on.is_distinct_from(day),
        )
        .values(matched_number=number, matched_on=day)
    )


def changed_since(number: int, most: int) -> dict[int, UUID | None]:
    """Return the patients who changed after a number, by ordinal; at most so many.

    None stands for a patient who was deleted.
    """
    rows = db.session.execute(
        select(_subject.c.ordinal, _subject.c.patient_id)
        .where(of_current_tenant(MatchSubject), _subject.c.change_number > number)
        .limit(most)
    ).all()
    return {row.ordinal: row.patient_id for row in rows}


def patients_with(ordinals: Sequence[int]) -> dict[int, UUID]:
    """Return the patients with some ordinals."""
    if not ordinals:
        return {}
    rows = db.session.execute(
        select(_subject.c.ordinal, _subject.c.patient_id).where(
            of_current_tenant(MatchSubject),
            _subject.c.ordinal.in_(ordinals),
            _subject.c.patient_id.is_not(None),
        )
    ).all()
    return {row.ordinal: row.patient_id for row in rows}


def opened_values(column: Column[Any], ordinals: Sequence[int] | None) -> Sequence[tuple[int, Any]]:
    """Return a column of all numbered patients, or of some, by ordinal. Sealed values are opened.

    PostgreSQL cannot read them, so they come one by one.
    """
    ordinal = _subject.c.ordinal
    is_asked = func.coalesce(ordinal, -1) >= 0 if ordinals is None else ordinal.in_(ordinals)
    patient = column.table.c
    rows = db.session.execute(
        select(ordinal, column)
        .join(
            column.table,
            (patient.tenant_id == _subject.c.tenant_id) & (patient.id == _subject.c.patient_id),
        )
        .where(of_current_tenant(MatchSubject), is_asked)
    )
    return [(row[0], row[1]) for row in rows]
