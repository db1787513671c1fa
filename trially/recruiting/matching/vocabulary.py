"""The words that packed rows number: units and coded values."""

from collections.abc import Sequence
from typing import NamedTuple

from trially.recruiting.criteria.selectors import Selector
from trially.recruiting.criteria.units.table import analytes_of
from trially.recruiting.matching.code_conditions import codes_of
from trially.recruiting.matching.usable import OBSERVATION


class Vocabulary(NamedTuple):
    """Words that rows number, each from 1."""

    units: list[str]
    """Units, as sources spell them."""
    values: list[str]
    """Coded values, as `system|code`."""


NO_WORDS = Vocabulary([], [])


def known_words(selector: Selector) -> Vocabulary:
    """Return the units that observations of a selector are likely to have."""
    analytes = analytes_of(codes_of(selector)) if selector.type == OBSERVATION else []
    return Vocabulary([unit.name for analyte in analytes for unit in analyte.units], [])


def number_of_unit(units: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return SQL for the number of a unit, and its parameters.

    An analyte has few units, so comparisons take less than `array_position`.
    """
    words = {f"unit{number}": unit for number, unit in enumerate(units, 1)}
    cases = "".join(f" WHEN unit = %({name})s THEN {name[4:]}" for name in words)
    return f"CASE WHEN unit IS NULL THEN 0{cases} ELSE -1 END", words
