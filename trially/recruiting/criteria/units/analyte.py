"""What an analyte is: its LOINC codes, its units, and how they are converted exactly."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from trially.recruiting.criteria.units.spelling import normalise


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of an analyte: `value * factor + offset` is the value in the analyte's first unit."""

    name: str
    """As `normalise` spells it."""
    factor: Decimal
    offset: Decimal
    digits: int
    """Decimal places that laboratories report in this unit."""
    source: str
    """Where the factor is from."""


@dataclass(frozen=True)
class Analyte:
    """What some LOINC codes measure."""

    name: str
    """As a sentence has it: `HbA1c`."""
    loinc: frozenset[str]
    units: tuple[Unit, ...]
    misread: frozenset[tuple[str, str]] = field(default=frozenset())
    """Pairs of LOINC code and unit that mean another scale, and so are unknown."""

    @cached_property
    def _by_name(self) -> dict[str, Unit]:
        folded = {unit.name.casefold(): unit for unit in reversed(self.units)}
        return folded | {unit.name: unit for unit in self.units}

    def unit(self, spelled: str | None) -> Unit | None:
        """Return the unit that a source spells, or None if it is not one of the analyte."""
        name = normalise(spelled)
        return self._by_name.get(name) or self._by_name.get(name.casefold())


def is_shift(one: Unit, other: Unit) -> bool:
    """Return whether converting only shifts the decimal point, so that nothing is rounded."""
    if one.offset != other.offset:
        return False
    ratio = Fraction(one.factor) / Fraction(other.factor)
    numerator, denominator = ratio.numerator, ratio.denominator
    return 1 in (numerator, denominator) and set(str(max(numerator, denominator))) <= set("10")


def convert(value: Decimal, unit: Unit, into: Unit, least_digits: int = 0) -> Decimal:
    """Return a value in another unit, rounded half up as a laboratory would report it there.

    A mere shift of the decimal point is not rounded. `least_digits` are kept at least.
    """
    if unit == into:
        return value
    exact = exactly(value, unit, into)
    if is_shift(unit, into):
        return Decimal(exact.numerator) / Decimal(exact.denominator)
    digits = max(into.digits, least_digits)
    return round_half_up(exact, digits)


def exactly(value: Decimal, unit: Unit, into: Unit) -> Fraction:
    """Return a value in another unit, exactly."""
    first = Fraction(value) * Fraction(unit.factor) + Fraction(unit.offset)
    return (first - Fraction(into.offset)) / Fraction(into.factor)


def round_half_up(exact: Fraction, digits: int) -> Decimal:
    """Return a number with so many decimal places. A half goes up, as laboratories round."""
    scaled = exact * 10**digits + Fraction(1, 2)
    return Decimal(scaled.numerator // scaled.denominator).scaleb(-digits)


def analyte(
    name: str, loinc: str, *units: Unit, misread: Iterable[tuple[str, str]] = ()
) -> Analyte:
    """Return an analyte. The first unit is the one that the factors of all units lead to."""
    return Analyte(name, frozenset(loinc.split()), units, frozenset(misread))


def unit(name: str, factor: str, digits: int, source: str, offset: str = "0") -> Unit:
    """Return a unit of an analyte."""
    return Unit(name, Decimal(factor), Decimal(offset), digits, source)
