"""Days of a tenant's time zone, and the months that they are billed in."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from trially.recruiting.criteria.days import days_of


@dataclass(frozen=True)
class Day:
    """A day of a time zone, with the instants of its beginning and its end."""

    date: dt.date
    began_at: dt.datetime
    ended_at: dt.datetime

    @classmethod
    def of(cls, date: dt.date, zone: str) -> "Day":
        """Return a date as a day of a time zone, by its IANA name."""
        days, number = days_of(zone), date.toordinal()
        return cls(date, days.midnight(number), days.midnight(number + 1))


def date_of(instant: dt.datetime, zone: str) -> dt.date:
    """Return the date of an instant in a time zone."""
    return dt.date.fromordinal(days_of(zone).of(instant))


@dataclass(frozen=True)
class Month:
    """A calendar month, from its first to its last date."""

    first: dt.date
    last: dt.date

    @classmethod
    def of(cls, date: dt.date) -> "Month":
        """Return the month of a date."""
        following = (date.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
        return cls(date.replace(day=1), following - dt.timedelta(days=1))

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


def dates(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Yield the dates from the first to the last one."""
    for number in range(first.toordinal(), last.toordinal() + 1):
        yield dt.date.fromordinal(number)
