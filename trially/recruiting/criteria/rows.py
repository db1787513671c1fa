"""Rows: facts made ready to be compared. Each rule about dates and statuses of a fact is here.

A row knows of its fact an interval of days in which it began, because sources may know only the
month or the year. `first_day` and `last_day` are equal if the day is known.
"""

import datetime as dt
from calendar import monthrange
from decimal import Decimal

from trially.recruiting.criteria.days import Days
from trially.recruiting.criteria.facts import Fact

UNDATED = 0
"""The first day of a fact without a date: before all days."""
ALWAYS = dt.date.max.toordinal()

_BEGUN = frozenset({"active", "recurrence", "relapse", "in-progress"})
_OVER = frozenset(
    {
        *("inactive", "remission", "resolved"),
        *("completed", "stopped", "discontinued", "superseded"),
    }
)
_UNCONFIRMED = frozenset({"unconfirmed", "provisional", "differential"})

_CLASSES = {
    "inpatient": "IMP ACUTE NONAC OBSENC SS inpatient hospitalization hospice snf",
    "emergency": "EMER emergency urgentcare",
    "outpatient": "AMB PRENC ambulatory outpatient wellness daytime",
    "home": "HH home FLD field",
    "virtual": "VR virtual",
}
CLASS_OF = {word: name for name, words in _CLASSES.items() for word in words.split()}
"""The class of an encounter by its category."""


class Row:
    """A fact, ready to be compared."""

    __slots__ = (
        "end_first",
        "end_last",
        "fact",
        "first",
        "first_day",
        "is_active",
        "is_certain",
        "is_instant",
        "is_refuted",
        "last",
        "last_day",
    )

    def __init__(self, fact: Fact, days: Days) -> None:
        self.fact = fact
        self.is_refuted = fact.is_refuted
        self.is_certain = fact.verification_status not in _UNCONFIRMED
        self.is_active = _activity(fact)
        self.is_instant = False
        self.first: dt.datetime | None = None
        self.last: dt.datetime | None = None
        start = fact.start_at
        if start is None:
            self.first_day, self.last_day = UNDATED, ALWAYS
            self._end_with_knowledge(days)
        elif fact.start_precision == "instant":
            self.is_instant = True
            self.first = self.last = start
            self.first_day = self.last_day = days.of(start)
        else:
            self.first_day, self.last_day = _interval(start, fact.start_precision)
            if self.first_day != self.last_day:
                self._end_with_knowledge(days)
        if fact.end_at is None:
            self.end_first = self.end_last = None
        elif fact.end_precision == "instant":
            self.end_first = self.end_last = days.of(fact.end_at)
        else:
            self.end_first, self.end_last = _interval(fact.end_at, fact.end_precision)

    def _end_with_knowledge(self, days: Days) -> None:
        """Cut off the days after the fact was recorded: what is on record had begun by then."""
        known_at = self.fact.recorded_at or self.fact.created_at
        if known_at is not None:
            known_day = days.of(known_at)
            if self.first_day <= known_day < self.last_day:
                self.last_day = known_day

    def is_future(self, today: int, at: dt.datetime) -> bool:
        """Return whether the fact begins after an instant, which is on the day `today`."""
        if self.first_day != today or not self.is_instant:
            return self.first_day > today
        return self.first is not None and self.first > at

    def begins_at(self, days: Days) -> dt.datetime:
        """Return the first instant at which the fact may have begun, if it has a date."""
        return days.midnight(self.first_day) if self.first is None else self.first

    def goes_on(self, today: int) -> bool | None:
        """Return whether the fact goes on on a day, or None if this is unknown.

        An end that is known decides. Its day belongs to the fact. A status that contradicts it, as
        `stopped` before an end in the future does, makes it unknown. Statuses have no history: they
        are those of the last import, also for an earlier day.
        """
        end_first, end_last = self.end_first, self.end_last
        if end_first is None or end_last is None:
            return self.is_active
        if end_last < today:
            return False
        if end_first < today or self.is_active is False:
            return None
        return True

    @property
    def encounter_class(self) -> str | None:
        """How the patient was seen, if the category of the encounter is known."""
        return CLASS_OF.get(self.fact.category or "")

    @property
    def reference(self) -> tuple[Decimal | None, Decimal | None]:
        """The reference range that came with the value, in the unit of the value."""
        return self.fact.reference_low, self.fact.reference_high


def rows_of(facts: "list[Fact] | tuple[Fact, ...]", days: Days) -> list[Row]:
    """Return the rows of the facts that are used."""
    return [Row(fact, days) for fact in facts if fact.is_used]


def _activity(fact: Fact) -> bool | None:
    """Return whether the status says that something goes on. None if it does not say."""
    if fact.type == "medication":
        # A dispense that is completed says nothing about when the last tablet is taken.
        status = None if fact.source_type == "MedicationDispense" else fact.status
    else:
        status = fact.clinical_status
    return True if status in _BEGUN else False if status in _OVER else None


def _interval(at: dt.datetime, precision: str | None) -> tuple[int, int]:
    """Return the first and the last day of a date that is known to the day, month or year.

    Such dates are stored as midnight UTC of their first day, which may be any day of the interval.
    """
    day = at.astimezone(dt.UTC).date()
    return interval_of(day, precision)


def interval_of(day: dt.date, precision: str | None) -> tuple[int, int]:
    """Return the first and the last day of the interval that a date and its precision mean."""
    if precision == "year":
        return dt.date(day.year, 1, 1).toordinal(), dt.date(day.year, 12, 31).toordinal()
    if precision == "month":
        first = day.replace(day=1).toordinal()
        return first, first + monthrange(day.year, day.month)[1] - 1
    ordinal = day.toordinal()
    return ordinal, ordinal
