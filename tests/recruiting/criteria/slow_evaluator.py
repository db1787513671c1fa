"""An evaluator of leaves that is slow and obvious: it tries all possibilities.

It was written from docs/decisions/0061 and docs/criteria.md, and shares no rule with the product:
`slow_reading` reads criteria, `slow_units` knows units, `slow_trees` combines leaves. Only the
plain rows `Fact` and `Person` are the product's. A fact whose date, value, status or truth is not
known stands for several possible events. A world is a choice of one event for each fact. What is
the same in all worlds is known.
"""

import calendar
import datetime as dt
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from tests.recruiting.criteria.slow_reading import Length
from trially.recruiting.criteria.facts import Fact, Person, Place

DAY = dt.timedelta(days=1)
LONG_AGO = dt.date(1850, 1, 1)
FAR = dt.date(2400, 1, 1)
LOOK_BACK = Length(months=24)


class TooManyWorldsError(Exception):
    """There are too many possibilities to try."""


@dataclass(frozen=True)
class Codes:
    codes: frozenset[tuple[str, str]]
    icd10_prefixes: tuple[str, ...] = ()

    def fit(self, fact: Fact) -> bool:
        pairs = [(fact.code_system, fact.code)]
        pairs += [(each["system"], each["code"]) for each in fact.other_codings or ()]
        return any(self.has(system, code) for system, code in pairs)

    def has(self, system: Any, code: Any) -> bool:
        if (system, code) in self.codes:
            return True
        is_icd = system in ("http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10")
        return is_icd and any(
            (code or "").replace(".", "").startswith(prefix.replace(".", ""))
            for prefix in self.icd10_prefixes
        )


@dataclass(frozen=True)
class Situation:
    as_of: dt.datetime
    zone: ZoneInfo
    look_back: Length = LOOK_BACK

    @property
    def today(self) -> dt.date:
        return self.as_of.astimezone(self.zone).date()

    def earlier(self, duration: Length) -> dt.date:
        return months_earlier(self.today, duration.months) - duration.days * DAY


@dataclass(frozen=True)
class Event:
    """One thing that a fact may stand for."""

    begin: dt.datetime
    """Local time of the tenant, without a zone."""
    is_there: bool
    is_going_on: bool
    taken_days: int
    last_day: dt.date
    value: bool
    value_is_high_enough: bool
    value_is_low_enough: bool
    has_class: bool


def months_earlier(day: dt.date, months: int) -> dt.date:
    year, month = day.year, day.month
    for _ in range(months):
        month -= 1
        if month == 0:
            year, month = year - 1, 12
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def is_used(fact: Fact) -> bool:
    happened = {
        *("arrived", "triaged", "in-progress", "onleave", "on-hold", "finished", "completed"),
        "discharged",
    }
    not_happened = {
        *("not-done", "not-taken", "not-given", "declined", "cancelled", "in-error", "intended"),
        *("entered-in-error", "preparation", "draft", "registered", "planned", "proposed"),
    }
    if fact.type == "encounter" and fact.status not in happened:
        return False
    if fact.type != "encounter" and fact.status in not_happened:
        return False
    return not (
        fact.withdrawn_at
        or fact.entered_in_error
        or fact.negated
        or fact.date_problem
        or fact.focus
        or fact.verification_status in ("entered-in-error", "refuted")
        or fact.intent in ("proposal", "option")
    )


def days_of(at: dt.datetime | None, precision: str | None) -> tuple[dt.date, dt.date]:
    if at is None:
        return LONG_AGO, FAR
    day = at.astimezone(dt.UTC).date()
    if precision == "year":
        return dt.date(day.year, 1, 1), dt.date(day.year, 12, 31)
    if precision == "month":
        last = calendar.monthrange(day.year, day.month)[1]
        return day.replace(day=1), day.replace(day=last)
    return day, day


def begin_days(fact: Fact, now: Situation) -> tuple[dt.date, dt.date]:
    """The first and the last day on which a fact may have begun."""
    if fact.start_at is not None and fact.start_precision == "instant":
        day = fact.start_at.astimezone(now.zone).date()
        return day, day
    first, last = days_of(fact.start_at, fact.start_precision)
    known = fact.recorded_at or fact.created_at
    if first != last and known is not None:
        known_day = known.astimezone(now.zone).date()
        if first <= known_day:
            last = min(last, known_day)
    return first, last


def has_begun_surely(fact: Fact, now: Situation) -> bool:
    if fact.start_at is not None and fact.start_precision == "instant":
        return fact.start_at <= now.as_of
    return begin_days(fact, now)[1] <= now.today


def is_covered(facts: Sequence[Fact], now: Situation) -> bool:
    first = now.earlier(now.look_back)
    return any(
        is_used(fact) and has_begun_surely(fact, now) and begin_days(fact, now)[0] >= first
        for fact in facts
    )


def begins(fact: Fact, now: Situation, edges: Sequence[dt.date]) -> list[dt.datetime]:
    """The local times at which a fact may have begun: all that can make a difference."""
    if fact.start_at is not None and fact.start_precision == "instant":
        return [fact.start_at.astimezone(now.zone).replace(tzinfo=None)]
    first, last = begin_days(fact, now)
    days = {first, last, first + DAY, last - DAY, first + 2 * DAY}
    for edge in (*edges, now.today):
        days |= {edge - DAY, edge, edge + DAY}
    possible = sorted(day for day in days if first <= day <= last)
    times = (dt.time.min, dt.time.max)
    return [dt.datetime.combine(day, time) for day in possible for time in times]


def has_begun(fact: Fact, begin: dt.datetime, now: Situation) -> bool:
    if fact.start_at is not None and fact.start_precision == "instant":
        return fact.start_at <= now.as_of
    return begin.date() <= now.today


def statuses(fact: Fact) -> str:
    if fact.type == "medication":
        if fact.source_type == "MedicationDispense":
            return "unknown"
        if fact.status in ("active", "in-progress"):
            return "on"
        over = ("completed", "stopped", "discontinued", "superseded")
        return "over" if fact.status in over else "unknown"
    if fact.clinical_status in ("active", "recurrence", "relapse"):
        return "on"
    over = ("inactive", "remission", "resolved")
    return "over" if fact.clinical_status in over else "unknown"


def ways_to_end(
    fact: Fact, begin: dt.datetime, now: Situation, edges: Sequence[dt.date]
) -> Iterator[tuple[bool, int, dt.date]]:
    """Whether it goes on, for how many days it has, and its last day."""
    status, today, start = statuses(fact), now.today, begin.date()
    if fact.end_at is not None:
        if fact.end_precision == "instant":
            first = last = fact.end_at.astimezone(now.zone).date()
        else:
            first, last = days_of(fact.end_at, fact.end_precision)
        days = {first, last, today - DAY, today, today + DAY}
        for edge in edges:
            days |= {edge - DAY, edge, edge + DAY}
        for end in sorted(day for day in days if first <= day <= last):
            taken = (min(end, today) - start).days
            if end < today:
                yield False, taken, end
            else:
                yield True, taken, end
                if status == "over":
                    yield False, taken, end
        return
    whole = (today - start).days
    if status != "over":
        yield True, whole, start
    if status != "on":
        yield False, whole, start
        yield False, 0, start


def kilometres(one: Place, other: Place) -> float:
    """The length of a great circle, by the law of cosines."""
    a, b = math.radians(one.latitude), math.radians(other.latitude)
    turn = math.radians(one.longitude - other.longitude)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))


def completed(birth: dt.date, today: dt.date, unit: str) -> int:
    """Completed units of age, by counting birthdays."""
    if unit == "d":
        return (today - birth).days
    if unit == "wk":
        return (today - birth).days // 7
    step = 12 if unit == "a" else 1
    count, months = 0, step
    while True:
        year, month = divmod(birth.year * 12 + birth.month - 1 + months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        anniversary = dt.date(year, month + 1, min(birth.day, last))
        if birth.day > last:
            anniversary += DAY
        if anniversary > today:
            return count
        count, months = count + 1, months + step


def known_births(person: Person) -> list[dt.date]:
    if person.birth_date is None:
        return []
    midnight = dt.datetime.combine(person.birth_date, dt.time(), dt.UTC)
    first, last = days_of(midnight, person.birth_date_precision)
    return [first + number * DAY for number in range((last - first).days + 1)]


def product_of(choices: Sequence[Sequence[Event]], most: int = 4000) -> Iterator[tuple[Event, ...]]:
    if math.prod(len(each) for each in choices) > most:
        raise TooManyWorldsError
    return itertools.product(*choices)
