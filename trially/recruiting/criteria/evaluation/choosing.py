"""Which rows may be the latest or the earliest, though dates are not all equally well known."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from trially.recruiting.criteria.days import NEVER, Moment
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.rows import Row

_FIRST = dt.datetime.min.replace(tzinfo=dt.UTC)
_LAST = NEVER
_UNRECORDED = _FIRST

Time = tuple[int, dt.datetime]
"""A day, and an instant of it: the first or the last possible one if only the day is known."""


class Begun(NamedTuple):
    """The rows of a selector, by whether they have begun."""

    rows: Sequence[Row]
    """All rows."""
    present: list[Row]
    """Those that have or may have begun. None of them is refuted."""
    next_at: dt.datetime
    """When the next of the others may begin."""
    refuted: list[Row]


def begun(rows: Sequence[Row], subject: Subject) -> Begun:
    """Return which rows have begun, computed once for rows and a subject."""
    known: Begun | None = subject.begun.get(id(rows))
    # The rows are kept, so that no others get their id.
    if known is None or known.rows is not rows:
        known = subject.begun[id(rows)] = _begun(rows, subject.moment)
    return known


def _begun(rows: Sequence[Row], moment: Moment) -> Begun:
    present, refuted, next_at = [], [], NEVER
    for row in rows:
        if row.is_refuted:
            refuted.append(row)
        elif row.is_future(moment.today, moment.at):
            next_at = min(next_at, row.begins_at(moment.days))
        else:
            present.append(row)
    return Begun(rows, present, next_at, refuted)


class Candidate(NamedTuple):
    """A row that may be the latest or the earliest."""

    row: Row
    first_day: int
    """The first day on which it can have begun, if it is the one."""
    last_day: int


def latest_rows(rows: Sequence[Row], moment: Moment) -> list[Candidate]:
    """Return the rows that may be the latest. `rows` are those that `begun` returns.

    A row that may not have begun yet does not make others older.
    """
    latest = max(
        (_earliest_time(row) for row in rows if row.last_day <= moment.today), default=(0, _FIRST)
    )
    found = [row for row in rows if _latest_time(row) >= latest]
    return [
        Candidate(row, max(row.first_day, latest[0]), min(row.last_day, moment.today))
        for row in _without_superseded(found)
    ]


def earliest_rows(rows: Sequence[Row], moment: Moment) -> list[Candidate]:
    """Return the rows that may be the earliest. `rows` are those that `begun` returns."""
    earliest = min(
        (_latest_time(row) for row in rows if row.last_day <= moment.today),
        default=(moment.today, _LAST),
    )
    found = [row for row in rows if _earliest_time(row) <= earliest]
    return [
        Candidate(row, row.first_day, min(row.last_day, earliest[0]))
        for row in _without_superseded(found)
    ]


def are_simultaneous(one: Row, other: Row) -> bool:
    """Return whether two rows have the same date, as far as it is known."""
    return (one.first_day, one.last_day, one.first) == (
        other.first_day,
        other.last_day,
        other.first,
    )


def _earliest_time(row: Row) -> Time:
    return row.first_day, row.first if row.first is not None else _FIRST


def _latest_time(row: Row) -> Time:
    return row.last_day, row.last if row.last is not None else _LAST


def _without_superseded(rows: list[Row]) -> list[Row]:
    """Leave out rows that the same source recorded earlier for the same time: it corrected them."""
    if len(rows) < 2:
        return rows
    recorded: dict[object, dt.datetime] = {}
    for row in rows:
        key = _slot(row)
        recorded[key] = max(recorded.get(key, _UNRECORDED), row.fact.recorded_at or _UNRECORDED)
    return [row for row in rows if (row.fact.recorded_at or _UNRECORDED) == recorded[_slot(row)]]


def _slot(row: Row) -> tuple[object, ...]:
    return row.fact.source, row.first_day, row.last_day, row.first
