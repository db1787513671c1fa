"""Read dates and times, with the precision and the UTC offset that their source gives."""

import datetime as dt
import re
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.values import Json, unlisted


class Date(NamedTuple):
    """A UTC instant, its precision and its UTC offset. All are None for an unknown date.

    The precision is `year`, `month`, `day` or `instant`. The offset is in minutes, and only
    instants have one: other dates are midnight in UTC, whatever the source's zone.
    """

    at: str | None = None
    precision: str | None = None
    offset: int | None = None
    zone: str | None = None
    """The zone in which a time without an offset was read, by its IANA name."""

    @property
    def day(self) -> str | None:
        """The local day, in the source's zone."""
        if self.at is None or not self.offset:
            return self.at and self.at[:10]
        return _shift(self.at, self.offset)[:10]

    @property
    def latest(self) -> str | None:
        """The end of the year, month or day, in local time and comparable with others."""
        if self.at is None:
            return None
        if self.precision == "instant":
            return _shift(self.at, self.offset or 0)
        return self.at[: _KEPT[self.precision or "day"]] + "~"  # after each later character


NO_DATE = Date()
LONGEST_DATE = 48
_KEPT = {"year": 4, "month": 7, "day": 10}

# More lenient than FHIR: seconds are optional, a space may replace the T, and a day may have an
# offset, as in XML: it is the day where the source is.
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:(?:[Zz]|[+-]\d\d:\d\d)$"
    r"|[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_EARLIEST = dt.datetime(1, 1, 1)  # noqa: DTZ001 - all times here are UTC
_LATEST = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001


def read_date(holder: Json, element: str, where: str, reading: Reading) -> Date:
    """Return the first instant of a date or dateTime.

    A time without a UTC offset is in `reading.zone`.
    """
    value = holder.get(element)
    if value is None or value == "":
        return NO_DATE
    date = None
    if type(value) is str and len(value) <= LONGEST_DATE:
        date = parse_date(value, reading.zone)
    if date is None:
        reading.lose(f"{where}.{element}", "is not a date")
        return NO_DATE
    return date


def read_period(holder: Json, element: str, where: str, reading: Reading) -> tuple[Date, Date]:
    """Return the start and the end of a Period."""
    period = holder.get(element)
    if period is None:
        return NO_DATE, NO_DATE
    where = f"{where}.{element}"
    period = unlisted(period)
    if type(period) is not dict:
        reading.lose(where, "is not an object")
        return NO_DATE, NO_DATE
    return read_date(period, "start", where, reading), read_date(period, "end", where, reading)


@lru_cache(maxsize=8_192)
def parse_date(text: str, zone: ZoneInfo) -> Date | None:
    """Return the date that a text says, or None if it is not a date."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset_text = match.groups()
    try:
        moment = dt.datetime(int(year), int(month or 1), int(day or 1))  # noqa: DTZ001
    except ValueError:
        return None
    if hour is None:
        precision = "day" if day else "month" if month else "year"
        return Date(f"{moment.isoformat()}Z", precision, None)
    elapsed = _time_of_day(int(hour), int(minute), int(second or 0), fraction)
    if elapsed is None:
        return None
    try:
        offset = offset_in(zone, moment + elapsed) if offset_text is None else _offset(offset_text)
    except OverflowError:
        offset = dt.timedelta()
    if offset is None:
        return None
    try:
        moment += elapsed - offset
    except OverflowError:  # some sources write 9999-12-31T23:59:59-05:00 for "no end"
        moment = _LATEST if year == "9999" else _EARLIEST
    minutes = int(offset.total_seconds() // 60)
    return Date(
        f"{moment.isoformat()}Z", "instant", minutes, zone.key if offset_text is None else None
    )


def _time_of_day(hour: int, minute: int, second: int, fraction: str | None) -> dt.timedelta | None:
    """Return the time since midnight. 24:00 and a leap second belong to the next day or minute."""
    ends_day = hour == 24 and minute == 0 and second == 0 and not int(fraction or 0)
    if (hour > 23 and not ends_day) or minute > 59 or second > 60:
        return None
    microseconds = int(fraction[:6].ljust(6, "0")) if fraction else 0
    # Arguments without names take a third of the time.
    return dt.timedelta(0, hour * 3600 + minute * 60 + second, microseconds)


def offset_in(zone: ZoneInfo, local: dt.datetime) -> dt.timedelta:
    """Return the offset of a time zone at a local time, in whole minutes."""
    offset = local.replace(tzinfo=zone).utcoffset() or dt.timedelta()
    return dt.timedelta(minutes=offset.total_seconds() // 60)


@lru_cache(maxsize=256)
def _offset(text: str) -> dt.timedelta | None:
    if text in "Zz":
        return dt.timedelta()
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 15 or minutes > 59:
        return None
    offset = dt.timedelta(hours=hours, minutes=minutes)
    return -offset if text[0] == "-" else offset


def _shift(at: str, minutes: int) -> str:
    """Return the local time, without a zone, of a UTC instant. An overflow leaves it as it is."""
    moment = dt.datetime.fromisoformat(at[:-1])
    try:
        return (moment + dt.timedelta(minutes=minutes)).isoformat()
    except OverflowError:
        return moment.isoformat()
