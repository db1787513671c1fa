"""Read ages: as ISO 8601 durations, which PostgreSQL adds to the patient's birth date."""

import re
from decimal import Decimal
from zoneinfo import ZoneInfo

from trially.recruiting.imports.fhir.dates import NO_DATE, Date, parse_date
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_CODE
from trially.recruiting.imports.fhir.values import (
    Json,
    is_number,
    read_object,
    read_text,
    write_number,
)

MOST_YEARS = 150

_YEARS, _MONTHS, _WEEKS, _DAYS = "a", "mo", "wk", "d"
_UNITS = {
    **dict.fromkeys(("a", "a_j", "y", "yr", "yrs", "year", "years", "year(s)"), _YEARS),
    **dict.fromkeys(("mo", "mo_j", "month", "months", "mon"), _MONTHS),
    **dict.fromkeys(("wk", "w", "week", "weeks"), _WEEKS),
    **dict.fromkeys(("d", "day", "days"), _DAYS),
    **dict.fromkeys(("h", "hr", "hour", "hours", "min", "minute", "minutes", "s"), ""),
}
_MOST = {
    _YEARS: MOST_YEARS,
    _MONTHS: MOST_YEARS * 12,
    _WEEKS: MOST_YEARS * 53,
    _DAYS: MOST_YEARS * 366,
}
_AGE = re.compile(
    r"(?:at\s+)?(?:the\s+)?age(?:d)?\s+(?:of\s+)?(\d{1,3})(?:\s*(?:y|yrs?|years?)\.?)?"
    r"|(?:at\s+)?(\d{1,3})\s*(?:y/?o|yrs?|years?)\.?(?:\s+(?:old|of age))?",
    re.IGNORECASE | re.ASCII,
)
_ABOUT_YEAR = re.compile(
    r"(?:(?:in|since|from|about|around|approx\.?|approximately|ca\.?|circa|~)\s*){0,2}"
    r"((?:18|19|20)\d\d)",
    re.IGNORECASE | re.ASCII,
)


def read_age(value: object, where: str, reading: Reading) -> str | None:
    """Return an Age as a duration: `P45Y`. Of a part of a year, the months count.

    None for an age such as `< 45 a`, which is no date.
    """
    quantity = read_object(value)
    if value is None or quantity.get("comparator") is not None:
        return None
    number, unit = _number_of(quantity), _unit_of(quantity)
    if number is None or unit is None or not 0 <= number <= _MOST.get(unit, 1e9):
        reading.lose(where, "is not an age")
        return None
    if unit == _YEARS:
        months = int(number * 12)
        return f"P{months}M" if months % 12 else f"P{months // 12}Y"
    if unit == _MONTHS:
        return f"P{int(number)}M"
    return f"P{int(number) * 7}D" if unit == _WEEKS else f"P{int(number) if unit else 0}D"


def describe_age(value: object) -> str | None:
    """Return an age as people read it: `45 a`."""
    quantity = read_object(value)
    number = _number_of(quantity)
    unit = read_text(quantity.get("unit"), LONGEST_CODE) or read_text(
        quantity.get("code"), LONGEST_CODE
    )
    if number is None:
        return None
    comparator = read_text(quantity.get("comparator"), 2) or ""
    return f"{comparator}{write_number(number)} {unit or ''}".strip()


def find_bound(text: str, zone: ZoneInfo) -> tuple[Date, str | None]:
    """Return the date or the age in a text that says nothing else: `about 2006`, `at age 45`."""
    date = parse_date(text, zone) if len(text) <= 40 else None
    if date is not None:
        return date, None
    year = _ABOUT_YEAR.fullmatch(text)
    if year is not None:
        return parse_date(year.group(1), zone) or NO_DATE, None
    age = _AGE.fullmatch(text)
    years = age and int(age.group(1) or age.group(2))
    return NO_DATE, f"P{years}Y" if years is not None and years <= MOST_YEARS else None


def _number_of(quantity: Json) -> float | Decimal | None:
    number = quantity.get("value")
    return number if is_number(number) else None


def _unit_of(quantity: Json) -> str | None:
    for element in ("code", "unit"):
        unit = quantity.get(element)
        if type(unit) is str and unit.strip().lower() in _UNITS:
            return _UNITS[unit.strip().lower()]
    return None
