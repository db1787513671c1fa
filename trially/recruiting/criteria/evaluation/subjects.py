"""Whom a leaf is evaluated for: a person, at a moment, for a study."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from trially.recruiting.criteria.days import NEVER, Days, Moment
from trially.recruiting.criteria.facts import Person, Place
from trially.recruiting.criteria.language.parts import Limit
from trially.recruiting.criteria.rows import UNDATED, Row


class ReferenceRanges(Protocol):
    """The tenant's own reference ranges, for values that came without one."""

    def limit(self, analyte: str, limit: Limit, person: Person) -> tuple[Decimal, str] | None:
        """Return a limit and its unit, or None if the tenant has none for this person."""


class StudyContext(NamedTuple):
    """What leaves read of the study."""

    id: UUID | None = None
    places: tuple[Place, ...] = ()
    """Its sites."""


class Coverage(NamedTuple):
    """How recent the records of a patient are: `covers` says what this means."""

    day: int
    """The latest day on which a record of any type surely began, 0 if there is none."""
    next_at: dt.datetime
    """When the next record of any type begins, of those that are in the future."""


class Subject:
    """A person at a moment, with what leaves read besides the rows of their selector."""

    __slots__ = ("begun", "chosen", "coverage", "is_covered", "moment", "person", "ranges", "study")

    def __init__(
        self,
        person: Person,
        moment: Moment,
        coverage: Coverage,
        study: StudyContext = StudyContext(),  # noqa: B008  it is immutable
        ranges: ReferenceRanges | None = None,
    ) -> None:
        self.person = person
        self.moment = moment
        self.coverage = coverage
        self.study = study
        self.ranges = ranges
        self.is_covered = coverage.day >= moment.before(moment.look_back) > UNDATED
        """Whether a record of any type is within the tenant's look-back."""
        self.begun: dict[int, Any] = {}
        self.chosen: dict[tuple[int, str], Any] = {}
        """What leaves with the same rows have found of them: most leaves share their rows."""

    def for_study(self, study: StudyContext) -> "Subject":
        """Return the same person at the same moment, for another study."""
        subject = Subject(self.person, self.moment, self.coverage, study, self.ranges)
        subject.begun, subject.chosen = self.begun, self.chosen
        return subject

    @property
    def coverage_changes_at(self) -> dt.datetime:
        """When coverage ends or, without one, when it may begin."""
        if not self.moment.looks_ahead:
            return NEVER
        if not self.is_covered:
            return self.coverage.next_at
        day = self.moment.reaching(self.moment.look_back, self.coverage.day + 1)
        return self.moment.days.midnight(day)


def cover(rows: Iterable[Row], moment: Moment) -> Coverage:
    """Return the coverage that rows of all types give. Future, refuted and undated ones do not."""
    day, next_at = UNDATED, NEVER
    for row in rows:
        if row.is_refuted:
            continue
        starts_at = next_presence(row, moment)
        if starts_at is not None:
            next_at = min(next_at, starts_at)
        elif row.first_day > day:
            day = row.first_day
    return Coverage(day, next_at)


def next_presence(row: Row, moment: Moment) -> dt.datetime | None:
    """Return when a row will surely have begun, or None if it has."""
    if row.last_day > moment.today:
        return row.begins_at(moment.days) if row.is_instant else _midnight(moment.days, row)
    if row.is_instant and row.first is not None and row.first > moment.at:
        return row.first
    return None


def _midnight(days: Days, row: Row) -> dt.datetime:
    """Return when the last day begins in which a row may begin. Without a date it never comes."""
    return days.midnight(row.last_day) if row.last_day < NEVER.toordinal() else NEVER
