"""Whether the value of an observation is what a criterion asks for.

A test returns True or False, or the reason why it cannot tell.
"""

from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from trially.recruiting.criteria.code_sets import CodeSet
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.judgements import Reason
from trially.recruiting.criteria.language.parts import Bounds, Limit
from trially.recruiting.criteria.rows import Row
from trially.recruiting.criteria.units.analyte import Analyte, Unit, is_shift
from trially.recruiting.criteria.units.spelling import normalise

Answer = bool | Reason
Test = Callable[[Row, Subject], Answer]

_EXACT = Context(prec=200)
_GRID = 60
"""Decimal places to which a bound that is no finite decimal is cut. No value has as many."""


class Range(NamedTuple):
    """A range of numbers. A side without a bound is None."""

    low: Decimal | None
    has_low: bool
    """Whether the lower bound itself is in the range."""
    high: Decimal | None
    has_high: bool

    def has(self, number: Decimal) -> bool:
        """Return whether a number is in the range."""
        low, high = self.low, self.high
        if low is not None and (number < low or (number == low and not self.has_low)):
            return False
        return high is None or number < high or (number == high and self.has_high)

    def has_all(self, other: "Range") -> bool | None:
        """Return whether all numbers of another range are in this one, none, or some (None)."""
        if _is_below(other, self) or _is_below(self, other):
            return False
        is_low_in = self.low is None or (
            other.low is not None and (other.low, not other.has_low) >= (self.low, not self.has_low)
        )
        is_high_in = self.high is None or (
            other.high is not None and (other.high, other.has_high) <= (self.high, self.has_high)
        )
        return True if is_low_in and is_high_in else None

    def times(self, factor: Decimal) -> "Range":
        """Return the range with its bounds multiplied by a positive number."""
        low = None if self.low is None else _EXACT.multiply(self.low, factor)
        high = None if self.high is None else _EXACT.multiply(self.high, factor)
        return Range(low, self.has_low, high, self.has_high)


def _is_below(one: Range, other: Range) -> bool:
    """Return whether all numbers of a range are below all of another one."""
    if one.high is None or other.low is None:
        return False
    return one.high < other.low or (one.high == other.low and not (one.has_high and other.has_low))


def range_of(bounds: Bounds) -> Range:
    """Return the range that bounds mean."""
    return Range(bounds.low, bounds.gte is not None, bounds.high, bounds.lte is not None)


def known_range(comparator: str, number: Decimal) -> Range | None:
    """Return what is known of a value with a comparator, such as `<5`. None if it is another."""
    if comparator in ("<", "<="):
        return Range(None, has_low=False, high=number, has_high=comparator == "<=")
    if comparator in (">", ">="):
        return Range(number, has_low=comparator == ">=", high=None, has_high=False)
    return None


class NumericTest:
    """Whether a value is in a range, whatever its unit.

    The bounds are converted into the unit of the value, once for each unit. A value that would be
    rounded when it is reported in the unit of the bounds is compared as if it were: 126 mg/dL of
    glucose are 7.0 mmol/L, though the exact number is 6.994.
    """

    def __init__(self, bounds: Range, unit: str, analyte: Analyte | None) -> None:
        self.bounds = bounds
        self.unit = unit
        self.analyte = analyte
        self._ranges: dict[str | None, Range | None] = {}

    def range_in(self, unit: str | None) -> Range | None:
        """Return the bounds in a unit, as a source spells it. None if it cannot be converted."""
        if unit in self._ranges:
            return self._ranges[unit]
        found = self._ranges[unit] = convert_range(self.bounds, self.unit, unit, self.analyte)
        return found

    def __call__(self, row: Row, subject: Subject) -> Answer:  # noqa: ARG002
        """Return whether the value of a row is in the range."""
        fact = row.fact
        number = fact.value_number
        if number is None:
            return Reason.NO_VALUE
        analyte = self.analyte
        if analyte is not None and analyte.misread and is_misread(row, analyte):
            return Reason.UNKNOWN_UNIT
        bounds = self.range_in(fact.unit)
        if bounds is None:
            return Reason.UNKNOWN_UNIT
        return bounds.has(number) if fact.comparator is None else compare(bounds, row)


class LimitTest:
    """Whether a value is in a range of multiples of a limit of its reference range."""

    def __init__(self, bounds: Range, limit: Limit, analyte: Analyte | None) -> None:
        self.bounds = bounds
        self.limit = limit
        self.analyte = analyte

    def __call__(self, row: Row, subject: Subject) -> Answer:
        """Return whether the value of a row is in the range."""
        fact = row.fact
        number = fact.value_number
        if number is None:
            return Reason.NO_VALUE
        is_upper = self.limit == Limit.UPPER
        limit = fact.reference_high if is_upper else fact.reference_low
        bounds = self._of_tenant(row, subject) if limit is None else self.bounds.times(limit)
        if bounds is None or (limit is not None and limit <= 0):
            return Reason.NO_REFERENCE_RANGE
        return bounds.has(number) if fact.comparator is None else compare(bounds, row)

    def _of_tenant(self, row: Row, subject: Subject) -> Range | None:
        if subject.ranges is None or self.analyte is None:
            return None
        found = subject.ranges.limit(self.analyte.name, self.limit, subject.person)
        if found is None or found[0] <= 0 or is_misread(row, self.analyte):
            return None
        limit, unit = found
        return convert_range(self.bounds.times(limit), unit, row.fact.unit, self.analyte)


class CodedTest:
    """Whether a value is one of some codes."""

    def __init__(self, codes: CodeSet) -> None:
        self.codes = codes

    def __call__(self, row: Row, subject: Subject) -> Answer:  # noqa: ARG002
        """Return whether the coded value of a row is in the set."""
        fact = row.fact
        if fact.value_code is None:
            return Reason.NO_VALUE
        return self.codes.has(fact.value_code_system, fact.value_code)


class TextTest:
    """Whether a value is one of some texts."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.texts = frozenset(text.strip().casefold() for text in texts)

    def __call__(self, row: Row, subject: Subject) -> Answer:  # noqa: ARG002
        """Return whether the text of a row is in the set."""
        text = row.fact.value_text
        return Reason.NO_VALUE if text is None else text.strip().casefold() in self.texts


def compare(bounds: Range, row: Row) -> Answer:
    """Return whether a value with a comparator, such as `<5`, is in a range."""
    fact = row.fact
    if fact.value_number is None or fact.comparator is None:
        return Reason.NO_VALUE
    known = known_range(fact.comparator, fact.value_number)
    answer = None if known is None else bounds.has_all(known)
    return Reason.COMPARATOR if answer is None else answer


def is_misread(row: Row, analyte: Analyte) -> bool:
    """Return whether the unit of a row means another scale with the code of the row."""
    unit = normalise(row.fact.unit)
    return any((code, unit) in analyte.misread for _, code in row.fact.codings())


def convert_range(
    bounds: Range, unit: str, into: str | None, analyte: Analyte | None
) -> Range | None:
    """Return bounds in another unit, exactly, with the rounding of values taken into account."""
    if analyte is None:
        return bounds if normalise(unit) == normalise(into) else None
    asked, found = analyte.unit(unit), analyte.unit(into)
    if asked is None or found is None:
        return None
    if asked == found:
        return bounds
    low, has_low = _move(bounds.low, asked, found, has_bound=bounds.has_low, is_low=True)
    high, has_high = _move(bounds.high, asked, found, has_bound=bounds.has_high, is_low=False)
    return Range(low, has_low, high, has_high)


def _move(
    bound: Decimal | None, asked: Unit, found: Unit, *, has_bound: bool, is_low: bool
) -> tuple[Decimal | None, bool]:
    """Return a bound in the unit that was found, and whether the bound itself is in the range.

    A value that is rounded half up is at least 7.0 from 6.95 on, and more than 7.0 from 7.05 on. It
    is less than 7.0 below 6.95, and at most 7.0 below 7.05.
    """
    if bound is None:
        return None, False
    limit = Fraction(bound)
    if not is_shift(found, asked):
        written = -int(bound.normalize().as_tuple().exponent)
        half = Fraction(1, 2) / 10 ** max(asked.digits, written)
        limit += half if has_bound != is_low else -half
        has_bound = is_low
    first = limit * Fraction(asked.factor) + Fraction(asked.offset)
    moved = (first - Fraction(found.offset)) / Fraction(found.factor)
    scaled = moved * 10**_GRID
    cut = Decimal(scaled.numerator // scaled.denominator).scaleb(-_GRID, _EXACT)
    cut = cut.normalize(_EXACT)
    if scaled.denominator == 1:
        return cut, has_bound
    # No value is exactly here, and none is between the cut and the bound.
    return cut, not is_low
