"""What the values of observations may mean, for the slow evaluator."""

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.recruiting.criteria.slow_evaluator import Codes
from tests.recruiting.criteria.slow_units import ANALYTES, SlowAnalyte, spelled
from trially.recruiting.criteria.facts import Fact


@dataclass
class Meaning:
    """What the tests know of value sets."""

    value_sets: dict[str, Codes]

    def codes(self, named: Any) -> Codes:
        pairs = {(each.system, each.code) for each in named.codes}
        prefixes = list(named.icd10_prefix)
        for name in named.valueset:
            pairs |= self.value_sets[name].codes
            prefixes += self.value_sets[name].icd10_prefixes
        return Codes(frozenset(pairs), tuple(prefixes))


def _analyte(codes: Codes | None) -> SlowAnalyte | None:
    """Return what all LOINC codes measure, if it is one thing."""
    loinc = [] if codes is None else [c for s, c in codes.codes if s == "http://loinc.org"]
    found = [each for each in ANALYTES if set(each.loinc) & set(loinc)]
    return found[0] if len(found) == 1 else None


def _units(analyte: SlowAnalyte | None, asked: str, fact: Fact) -> tuple[Any, Any]:
    """Return the units of the bounds and of the value; None for one that is not comparable."""
    if analyte is None:
        same = spelled(asked) == spelled(fact.unit)
        return (asked, asked) if same else (asked, None)
    if (fact.code, spelled(fact.unit)) in analyte.misread:
        return None, None
    names = {unit.name: unit for unit in analyte.units}
    return names.get(spelled(asked)), names.get(spelled(fact.unit))


def answers_of_value(fact: Fact, value: Any, codes: Codes | None, meaning: Meaning) -> set[Any]:
    """All triples that a value may give: it fits, it is high enough, it is low enough."""
    if value is None:
        return {(True, True, True)}
    unknown = {(True, True, True), (False, True, False), (False, False, True)}
    if value.in_ is not None:
        if fact.value_code is None:
            return unknown
        has = meaning.codes(value.in_).has(fact.value_code_system, fact.value_code)
        return {(has, has, has)}
    if value.text:
        if fact.value_text is None:
            return unknown
        has = fact.value_text.strip().lower() in [text.strip().lower() for text in value.text]
        return {(has, has, has)}
    if fact.value_number is None:
        return unknown
    return _answers_of_number(fact, value, codes) or unknown


def _answers_of_number(fact: Fact, value: Any, codes: Codes | None) -> set[Any]:
    analyte = _analyte(codes)
    if value.times is not None:
        limit = fact.reference_high if value.times == "ULN" else fact.reference_low
        if limit is None or limit <= 0:
            return set()
        convert = _same
        scale = Fraction(limit)
    else:
        scale = Fraction(1)
        asked, found = _units(analyte, value.unit, fact)
        if asked is None or found is None:
            return set()
        convert = _same if asked == found or analyte is None else _Conversion(found, asked)

    def holds(number: Fraction) -> tuple[bool, bool, bool]:
        def shown(bound: Decimal) -> Fraction:
            return convert(number, bound)

        high_enough = (value.gte is None or shown(value.gte) >= Fraction(value.gte) * scale) and (
            value.gt is None or shown(value.gt) > Fraction(value.gt) * scale
        )
        low_enough = (value.lte is None or shown(value.lte) <= Fraction(value.lte) * scale) and (
            value.lt is None or shown(value.lt) < Fraction(value.lt) * scale
        )
        return high_enough and low_enough, high_enough, low_enough

    number = Fraction(fact.value_number)
    if fact.comparator is None:
        return {holds(number)}
    bounds = [each for each in (value.gte, value.gt, value.lte, value.lt) if each is not None]
    tiny = Fraction(1, 10**9)
    tried = [number, number - tiny, number + tiny, Fraction(-(10**9)), Fraction(10**9)]
    for bound in bounds:
        for near in _near(bound, convert, scale):
            tried += [near, near - tiny, near + tiny]
    if len(bounds) == 2:
        tried.append(sum(_near(bound, convert, scale)[0] for bound in bounds) / 2)
    compared = {
        "<": lambda tested: tested < number,
        "<=": lambda tested: tested <= number,
        ">": lambda tested: tested > number,
        ">=": lambda tested: tested >= number,
    }.get(fact.comparator)
    if compared is None:
        return set()
    return {holds(tested) for tested in tried if compared(tested)}


class _Conversion:
    """Converts into the unit that is asked for, and rounds as a laboratory would."""

    def __init__(self, found: Any, asked: Any) -> None:
        self.found, self.asked = found, asked
        ratio = Fraction(found.factor) / Fraction(asked.factor)
        power = round(math.log10(ratio))
        self.is_shift = found.offset == asked.offset and ratio == Fraction(10) ** power

    def exact(self, number: Fraction) -> Fraction:
        common = number * Fraction(self.found.factor) + Fraction(self.found.offset)
        return (common - Fraction(self.asked.offset)) / Fraction(self.asked.factor)

    def back(self, number: Fraction) -> Fraction:
        common = number * Fraction(self.asked.factor) + Fraction(self.asked.offset)
        return (common - Fraction(self.found.offset)) / Fraction(self.found.factor)

    def __call__(self, number: Fraction, bound: Decimal) -> Fraction:
        exact = self.exact(number)
        if self.is_shift:
            return exact
        _, _, decimals = str(format(bound, "f")).partition(".")
        digits = max(self.asked.digits, len(decimals.rstrip("0")))
        return Fraction(math.floor(exact * 10**digits + Fraction(1, 2)), 10**digits)


def _same(number: Fraction, bound: Decimal) -> Fraction:
    return number


def _near(bound: Decimal, convert: Any, scale: Fraction) -> list[Fraction]:
    number = Fraction(bound) * scale
    if not isinstance(convert, _Conversion):
        return [number]
    halves = [Fraction(sign, 2 * 10**digits) for digits in range(8) for sign in (-1, 1)]
    return [convert.back(number), *(convert.back(number + half) for half in halves)]
