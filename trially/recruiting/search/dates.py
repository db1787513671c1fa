"""Birth dates in the notations in which people type them."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import NamedTuple

EARLIEST_YEAR = 1850

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_MONTH_NAME = rf"(?P<month_name>(?:{'|'.join(_MONTHS)})[a-z]*)\.?"
_YEAR = r"(?P<year>\d{4}|\d{2})"
DATE_IN_WORDS = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th|\.)?[ \-]{_MONTH_NAME}|{_MONTH_NAME.replace('month_name', 'm2')}"
    rf" \d{{1,2}}(?:st|nd|rd|th)?),?[ \-]\d{{4}}\b"
)
"""A date with the month's name, as a regular expression."""

_ISO = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_NUMBERS = re.compile(rf"(\d{{1,2}})([/.\-])(\d{{1,2}})\2{_YEAR}")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})")
_DAY_MONTH_NAME = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th|\.)?[ \-]{_MONTH_NAME},?[ \-](\d{{4}})")
_MONTH_NAME_DAY = re.compile(rf"{_MONTH_NAME} (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})")


class TypedDate(NamedTuple):
    """A date as it may have been meant: the beginning of its ISO notation, and how it was read."""

    iso: str
    hint: str | None = None


def read_typed_dates(text: str) -> list[TypedDate]:
    """Return the dates that a text may mean, the likeliest first; none if it is no date.

    03/04/1961 means March 4 or April 3; the hint of each says so.
    """
    return list(dict.fromkeys(_read(text.strip().lower())))


def _read(text: str) -> Iterator[TypedDate]:
    if text.isdecimal() and len(text) == 4 and _is_year(int(text)):
        yield TypedDate(text)
    if match := _ISO.fullmatch(text) or _COMPACT.fullmatch(text) or _YEAR_FIRST.fullmatch(text):
        year, month, day = match.groups()
        yield from _date(year, month, day)
    elif match := _NUMBERS.fullmatch(text):
        yield from _read_numbers(*match.groups())
    elif match := _DAY_MONTH_NAME.fullmatch(text):
        yield from _date(match[3], _month_number(match["month_name"]), match[1])
    elif match := _MONTH_NAME_DAY.fullmatch(text):
        yield from _date(match[3], _month_number(match["month_name"]), match[2])


def _read_numbers(first: str, separator: str, second: str, year: str) -> Iterator[TypedDate]:
    for full_year in _full_years(year):
        day_first = next(_date(full_year, second, first), None)
        month_first = next(_date(full_year, first, second), None)
        if separator == "." or not (day_first and month_first) or day_first == month_first:
            chosen = (day_first or month_first) if separator == "." else (month_first or day_first)
            if chosen:
                yield chosen
        else:
            yield TypedDate(month_first.iso, "Read as month/day/year.")
            yield TypedDate(day_first.iso, "Read as day/month/year.")


def _date(year: str, month: str, day: str | None) -> Iterator[TypedDate]:
    try:
        date = dt.date(int(year), int(month), int(day or 1))
    except ValueError:
        return
    if _is_year(date.year):
        yield TypedDate(date.isoformat() if day else date.isoformat()[:7])


def _full_years(year: str) -> list[str]:
    """Return the years that a year of two digits may mean, the later one first."""
    if len(year) == 4:
        return [year]
    this_year = dt.datetime.now(dt.UTC).year
    return [str(full) for full in (2000 + int(year), 1900 + int(year)) if full <= this_year]


def _month_number(month_name: str) -> str:
    return str(_MONTHS.index(month_name[:3]) + 1)


def _is_year(year: int) -> bool:
    return EARLIEST_YEAR <= year <= dt.datetime.now(dt.UTC).year
