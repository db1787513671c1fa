"""Which records of a patient can decide some leaves, as conditions of SQL.

A patient has some hundreds of records, and the leaves of a study read few of them. What is left out
changes no judgement, no evidence, and no coverage, at the moment of the reading and at later ones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trially.recruiting.criteria.code_sets import CodeSet
from trially.recruiting.criteria.selectors import Attribute, Keeps, Selector
from trially.recruiting.matching.code_conditions import ranges_of
from trially.recruiting.matching.usable import OBSERVATION

_OF_CODES = (
    "(jsonb_typeof(other_codings) = 'array' OR code::text = ANY (%(codes_of_{0})s::text[]){1})"
)

# The bounds are sorted, and no two ranges overlap: in a range, an odd number of bounds is passed.
_IN_RANGES = """ OR width_bucket(code::text COLLATE "C", %(ranges_of_{0})s::text[]) %% 2 = 1"""


@dataclass(frozen=True)
class Wanted:
    """What some leaves read of a patient."""

    condition: str
    """SQL of the records that leaves read by their codes. Some more may meet it."""

    parameters: Mapping[str, Any]

    latest: Sequence[str]
    """Codings of observations, as `system|code`, of which only the latest decides."""

    coverage: bool
    """Whether it matters if the records cover the day."""

    place: bool
    """Whether it matters where the patient lives."""


EVERYTHING = Wanted("true", {}, (), coverage=True, place=True)


def wanted_by(selectors: Iterable[Selector]) -> Wanted:
    """Return what leaves with these selectors read."""
    distinct = set(selectors)
    conditions, parameters = [], {}
    for kind in sorted({each.type for each in distinct if each.type is not None}):
        codes = [each.codes for each in distinct if each.type == kind]
        listed = [each for each in codes if each is not None]
        if len(listed) < len(codes):
            conditions.append(f"type = '{kind}'")
            continue
        parameters[f"codes_of_{kind}"] = sorted({one.code for each in listed for one in each.codes})
        bounds = _bounds(listed)
        if bounds:
            parameters[f"ranges_of_{kind}"] = bounds
        in_ranges = _IN_RANGES.format(kind) if bounds else ""
        conditions.append(f"(type = '{kind}' AND {_OF_CODES.format(kind, in_ranges)})")
    return Wanted(
        " OR ".join(conditions) or "false",
        parameters,
        list(_latest(distinct)),
        any(Attribute.COVERAGE in each.attributes for each in distinct),
        any(Attribute.PLACE in each.attributes for each in distinct),
    )


def _bounds(sets: Sequence[CodeSet]) -> list[str]:
    """Return the first code of each range and the first one after it. Ranges are merged."""
    ranges = sorted((low, high) for each in sets for low, high, _ in ranges_of(each))
    bounds: list[str] = []
    for low, high in ranges:
        if bounds and low <= bounds[-1]:
            bounds[-1] = max(bounds[-1], high)
        else:
            bounds += [low, high]
    return bounds


def _latest(selectors: Iterable[Selector]) -> Iterator[str]:
    """Yield the codings of observations that no leaf reads but those about the latest one."""
    observed = [each for each in selectors if each.type == OBSERVATION and each.codes is not None]
    others = CodeSet()
    for each in observed:
        if each.keeps != Keeps.LATEST and each.codes is not None:
            others |= each.codes
    codings = {
        coding
        for each in observed
        if each.keeps == Keeps.LATEST and each.codes is not None
        for coding in each.codes.codes
    }
    yield from sorted(
        f"{coding.system}|{coding.code}"
        for coding in codings
        if not others.has(coding.system, coding.code)
    )
