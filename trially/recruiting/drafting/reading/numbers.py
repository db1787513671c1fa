"""Numbers, comparisons and ranges in simplified text: `between 7.0 and 10.0 %`, `18 or older`.

All patterns are matched at one position and are bounded in length.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from trially.recruiting.drafting.reading.number_words import NUMBER_WORDS

ReadUnit = Callable[[str, int], tuple[str, int] | None]
"""Return the unit at a position of the text and where it ends, or None."""

_WORDS = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_NUMBER = re.compile(
    rf"(?:(?P<digits>\d{{1,3}}(?:,\d{{3}}){{1,3}}(?:\.\d{{1,6}})?|"
    rf"\d{{1,9}}(?:\.\d{{1,6}})?(?:,\d{{1,2}}(?!\d))?)"
    rf"|(?P<word>(?:{_WORDS})(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?\b))"
    r"(?: ?[(\[](?:\d{1,4}|[a-z]{3,9})[)\]](?!-))?"
)
_OPERATORS = {
    "gte": (
        r">= ?(?:or )?=?|=>|> ?/ ?=|> or (?:=|equal to)|at least|no(?:t)? (?:less|lower|"
        r"younger|fewer) than|"
        r"(?:a )?minimum (?:of )?|(?:greater|more|higher|older) than or equal(?:s)?(?: to)?|"
        r"equal(?:s)? (?:to )?or (?:greater|more|higher|older) (?:than|to)|"
        r"equal to or (?:above|over)|"
        r"above or equal to|not below|min\.?"
    ),
    "lte": (
        r"<= ?(?:or )?=?|=<|< ?/ ?=|< or (?:=|equal to)|at most|"
        r"no(?:t)? (?:more|greater|higher|older) than|not (?:exceeding|above|over)|up to|"
        r"(?:does|do|must|should|may) not exceed|(?:a )?maximum (?:of )?|"
        r"(?:less|lower|younger) than or equal(?:s)?(?: to)?|"
        r"equal(?:s)? (?:to )?or (?:less|lower|younger) (?:than|to)|equal to or (?:below|under)|"
        r"below or equal to|max\.?"
    ),
    "gt": r">|(?:greater|more|higher|larger|older) (?:than|then)|above|over|exceed(?:s|ing)?|"
    r"in excess of",
    "lt": r"<|(?:less|lower|younger|fewer|smaller) (?:than|then)|below|under",
}
_OPERATOR = re.compile(
    "|".join(
        f"(?P<{name}>{pattern})(?:(?<=[<>=])|(?![a-z]))" for name, pattern in _OPERATORS.items()
    )
)
_AFTER = {
    "gte": (
        r"(?:,? ?(?:or|and|and/or) ?(?:more|above|greater|higher|over|older|up|beyond|elder)|"
        r"\+|and up|or >|>="
        r"|,? (?:or|and) (?:>|greater|older|more|above))(?! than)"
    ),
    "lte": r"(?:,? ?(?:or|and|and/or) ?(?:less|below|lower|under|younger|fewer)|<=)(?! than)",
}
_SUFFIX = re.compile(
    "|".join(f"(?P<{name}> ?{pattern})(?![a-z0-9])" for name, pattern in _AFTER.items())
)
_BETWEEN = re.compile(
    r"(?:in the |within the |a )?(?:between|from|range(?: of)?|"
    r"ranging (?:from|between)) ?"
)
_JOINED = re.compile(r" ?(?:,? ?and ?|,? ?but ?|,? ?to ?|, ?|- ?|& ?)")
_DASHED = re.compile(r" ?(?:-|~|to|through|until|till) ?(?=[\d<>a-z])")
_OTHERWISE = re.compile(r",? or ")
_LOWER, _UPPER = ("gte", "gt"), ("lte", "lt")


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds as a text writes them. `end` is the position after them."""

    bounds: dict[str, Decimal]
    """By `gte`, `gt`, `lte` or `lt`."""
    unit: str | None
    end: int
    otherwise: "Range | None" = None
    """A second range that also fits: `< 0.45 or > 10`."""


def read_number(text: str, at: int) -> tuple[Decimal, int] | None:
    """Return the number at a position and where it ends, or None."""
    match = _NUMBER.match(text, at)
    if match is None:
        return None
    if match["word"]:
        parts = re.split("[ -]", match["word"])
        return Decimal(sum(NUMBER_WORDS[part] for part in parts)), match.end()
    digits = match["digits"]
    is_grouped = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits) is not None
    plain = digits.replace(",", "" if is_grouped else ".")
    if plain.count(".") > 1:
        return None
    return Decimal(plain), match.end()


def read_operator(text: str, at: int) -> tuple[str, int] | None:
    """Return the comparison at a position, such as `gte`, and where it ends, or None."""
    match = _OPERATOR.match(text, at)
    if match is None or match.lastgroup is None:
        return None
    return match.lastgroup, _skip(text, match.end())


def read_range(text: str, at: int, read_unit: ReadUnit) -> Range | None:
    """Return the range at a position, or None. A number without a comparison is none."""
    first = _read_interval(text, at, read_unit) or _read_bound(text, at, read_unit)
    if first is None:
        return None
    other = _OTHERWISE.match(text, first.end)
    if other is None or len(first.bounds) > 1 or not read_operator(text, other.end()):
        return first
    second = _read_bound(text, other.end(), read_unit)
    if second is None or len(second.bounds) > 1 or set(second.bounds) & set(first.bounds):
        return first
    unit = first.unit or second.unit
    return replace(first, unit=unit, end=second.end, otherwise=replace(second, unit=unit))


def _read_interval(text: str, at: int, read_unit: ReadUnit) -> Range | None:
    """Return `7.0 to 10.0 %`, `between 7 and 10 %`."""
    opening = _BETWEEN.match(text, at)
    low = read_number(text, opening.end() if opening else at)
    if low is None:
        return None
    unit, end = _unit(text, low[1], read_unit)
    joint = _DASHED.match(text, end)
    if joint is None and opening is not None:
        joint = re.compile(r",? ?(?:and|&) ?").match(text, end)
    if joint is None:
        return None
    start = joint.end()
    operator = read_operator(text, start)
    high = read_number(text, operator[1] if operator else start)
    if high is None or high[0] <= low[0]:
        return None
    upper_unit, end = _unit(text, high[1], read_unit)
    upper = operator[0] if operator and operator[0] in _UPPER else "lte"
    if unit and upper_unit and unit != upper_unit:
        return None
    return Range({"gte": low[0], upper: high[0]}, unit or upper_unit, end)


def _read_bound(text: str, at: int, read_unit: ReadUnit) -> Range | None:
    """Return `at least 18`, `18 or older`, `>= 18 and < 65`, `>= 18 to 65`."""
    operator = read_operator(text, at)
    start = operator[1] if operator else at
    number = read_number(text, start)
    if number is None:
        return None
    unit, end = _unit(text, number[1], read_unit)
    suffix = _SUFFIX.match(text, end)
    name = suffix.lastgroup if suffix is not None else None
    if suffix is not None and name and (operator is None or operator[0][0] == name[0]):
        unit, end = (unit, suffix.end()) if unit else _unit(text, suffix.end(), read_unit)
        return Range({name: number[0]}, unit, max(end, suffix.end()))
    if operator is None:
        return None
    single = Range({operator[0]: number[0]}, unit, end)
    return _read_upper(text, single, read_unit) or single


def _read_upper(text: str, lower: Range, read_unit: ReadUnit) -> Range | None:
    """Return a lower bound together with the upper bound that follows it, or None."""
    [(name, low)] = lower.bounds.items()
    joint = _JOINED.match(text, lower.end)
    if joint is None or name not in _LOWER:
        return None
    operator = read_operator(text, joint.end())
    if operator is None and joint[0].strip() not in ("to", "-"):
        return None
    if operator is not None and operator[0] not in _UPPER:
        return None
    high = read_number(text, operator[1] if operator else joint.end())
    if high is None or high[0] <= low:
        return None
    unit, end = _unit(text, high[1], read_unit)
    upper = operator[0] if operator else "lte"
    if lower.unit and unit and lower.unit != unit:
        return None
    return Range({name: low, upper: high[0]}, lower.unit or unit, end)


def _unit(text: str, at: int, read_unit: ReadUnit) -> tuple[str | None, int]:
    found = read_unit(text, _skip(text, at))
    return found if found is not None else (None, at)


def _skip(text: str, at: int) -> int:
    return at + 1 if text[at : at + 1] == " " else at
