"""Read back the quantities that an import wrote as words: `500 mg`, `1 - 2 {tbl}`.

The inverse of `describe_quantity`. A text that is no quantity stays a text.
"""

import re
from decimal import Decimal

from trially.exports.fhir.elements import Json, present
from trially.value_sets.units import is_unit

UCUM = "http://unitsofmeasure.org"
_QUANTITY = re.compile(r"(<=|>=|<|>)?(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?: (.+))?", re.ASCII)
_AGE_UNITS = frozenset(
    {
        *("a", "a_j", "y", "yr", "yrs", "year", "years", "year(s)", "mo", "mo_j", "month"),
        *("months", "mon", "wk", "w", "week", "weeks", "d", "day", "days", "h", "hr", "hour"),
        *("hours", "min", "minute", "minutes", "s"),
    }
)
_DURATION = re.compile(r"P(\d+)([YMD])", re.ASCII)
_DURATION_UNITS = {"Y": "a", "M": "mo", "D": "d"}


def quantity(number: Decimal | None, unit: str | None, comparator: str | None = None) -> Json:
    """Return a Quantity. A unit of UCUM is its code too."""
    is_ucum = unit is not None and is_unit(unit)
    return present(
        {
            "value": number,
            "comparator": comparator,
            "unit": unit,
            "system": UCUM if is_ucum else None,
            "code": unit if is_ucum else None,
        }
    )


def read_quantity(text: str | None) -> Json | None:
    """Return the Quantity that a text describes, or None."""
    match = None if text is None else _QUANTITY.fullmatch(text)
    if match is None:
        return None
    comparator, number, unit = match.groups()
    return quantity(Decimal(number), unit, comparator)


def read_range(text: str | None) -> Json | None:
    """Return the Range that a text describes, such as `1 - 2 {tbl}`, or None."""
    return _read_pair(text, " - ", "low", "high")


def read_ratio(text: str | None) -> Json | None:
    """Return the Ratio that a text describes, such as `5 mg / 1 mL`, or None."""
    return _read_pair(text, " / ", "numerator", "denominator")


def read_age(text: str | None) -> Json | None:
    """Return the Age that a text describes, such as `45 a`, or None."""
    age = read_quantity(text)
    if age is None or str(age.get("unit", "")).strip().lower() not in _AGE_UNITS:
        return None
    return age


def read_ages(text: str | None) -> Json | None:
    """Return the Range of two ages that a text describes, or None."""
    first, joint, second = (text or "").partition(" - ")
    if not joint:
        return None
    ends = {"low": read_age(first), "high": read_age(second)}
    is_open = {first, second} & {"…"}
    if not any(ends.values()) or (None in ends.values() and not is_open):
        return None
    return present(ends)


def age_of_duration(duration: str | None) -> Json | None:
    """Return the Age of a duration such as `P45Y`, or None."""
    match = None if duration is None else _DURATION.fullmatch(duration)
    if match is None:
        return None
    return quantity(Decimal(match[1]), _DURATION_UNITS[match[2]])


def _read_pair(text: str | None, joint: str, first: str, second: str) -> Json | None:
    before, found, after = (text or "").partition(joint)
    if not found:
        return None
    ends = {first: read_quantity(before), second: read_quantity(after)}
    for name, written in ((first, before), (second, after)):
        if ends[name] is None and written != "…":
            return None
    return present(ends) or None
