"""Days of a time zone, and the moment for which criteria are evaluated.

All windows, ages and ends are compared in whole days of the tenant's time zone. A day is its
proleptic Gregorian ordinal (`date.toordinal()`), because integers are compared fastest.
"""

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from trially.recruiting.criteria.language.durations import Duration

LOOK_BACK = Duration(months=24)
"""How recent a record must be for a patient to count as covered, unless the tenant sets another."""

NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
"""An instant that never comes."""


class Days:
    """The days of a time zone."""

    __slots__ = ("_midnights", "zone")

    def __init__(self, zone: dt.tzinfo) -> None:
        self.zone = zone
        self._midnights: dict[int, dt.datetime] = {}

    def of(self, instant: dt.datetime) -> int:
        """Return the day of an instant."""
        return instant.astimezone(self.zone).toordinal()

    def midnight(self, day: int) -> dt.datetime:
        """Return the instant at which a day begins."""
        known = self._midnights.get(day)
        if known is None:
            start = dt.datetime.combine(dt.date.fromordinal(day), dt.time(), self.zone)
            known = self._midnights[day] = start.astimezone(dt.UTC)
        return known


@lru_cache(maxsize=64)
def days_of(zone: str) -> Days:
    """Return the days of a time zone by its IANA name."""
    return Days(ZoneInfo(zone))


class Moment:
    """The instant for which criteria are evaluated, `as_of`, and its day in the tenant's zone."""

    __slots__ = ("_crossings", "_starts", "at", "days", "look_back", "looks_ahead", "today")

    def __init__(
        self,
        at: dt.datetime,
        days: Days,
        look_back: Duration = LOOK_BACK,
        *,
        looks_ahead: bool = True,
    ) -> None:
        self.at = at
        self.days = days
        self.look_back = look_back
        self.looks_ahead = looks_ahead
        """Whether judgements say until when they hold. Else `until` may be too late."""
        self.today = days.of(at)
        self._starts: dict[Duration, int] = {}
        self._crossings: dict[tuple[Duration, int], int] = {}

    def before(self, duration: Duration) -> int:
        """Return the day that is a duration before today."""
        if not duration.months:
            return self.today - duration.days
        known = self._starts.get(duration)
        if known is None:
            day = dt.date.fromordinal(self.today)
            known = self._starts[duration] = duration.before(day).toordinal()
        return known

    def without_outlook(self) -> "Moment":
        """Return the moment for callers who do not read until when judgements hold.

        The computation of `until` takes longer than that of the outcome.
        """
        return Moment(self.at, self.days, self.look_back, looks_ahead=False)

    def reaching(self, duration: Duration, day: int) -> int:
        """Return the first day from which a duration reaches back to a day, or to a later one."""
        if not duration.months:
            return day + duration.days
        key = (duration, day)
        known = self._crossings.get(key)
        if known is None:
            known = duration.after(dt.date.fromordinal(day)).toordinal()
            self._crossings[key] = known
        return known
