"""Conditions in SQL for records that have the codes of a selector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trially.recruiting.criteria.code_sets import CodeSet
from trially.recruiting.criteria.language.codes import ICD10, ICD10CM
from trially.recruiting.criteria.selectors import Selector


def codes_of(selector: Selector) -> list[str]:
    """Return the codes that rows of a selector tell apart, in the order of their numbers."""
    return sorted({coding.code for coding in selector.codes.codes}) if selector.codes else []


@dataclass(frozen=True)
class Branch:
    """A condition that one scan of an index answers."""

    condition: str
    parameters: Mapping[str, Any]
    is_other: bool
    """Whether it is about a coding that is not the first one of a record."""


def branches_of(selector: Selector) -> Iterator[Branch]:
    """Yield the conditions of which a record of a selector meets at least one."""
    if selector.codes is None:
        yield Branch("true", {}, is_other=False)
        return
    for number, condition in enumerate(_conditions(selector.codes)):
        for is_other, table in ((False, "fact"), (True, "coding")):
            system = f"{table}.{'system' if is_other else 'code_system'}"
            code = f"{table}.code"
            yield Branch(
                condition.text.format(n=number, code=code, system=system),
                {f"{name}{number}": value for name, value in condition.parameters.items()},
                is_other,
            )


@dataclass(frozen=True)
class _Condition:
    text: str
    parameters: Mapping[str, Any]


_RANGE = """{code} COLLATE "C" >= %(low{n})s AND {code} COLLATE "C" < %(high{n})s
AND {system} = ANY (%(systems{n})s)"""
_ONE = """{code} COLLATE "C" = %(code{n})s AND {system} = %(system{n})s"""
_SEVERAL = """{code} COLLATE "C" = ANY (%(codes{n})s) AND {system} = ANY (%(systems{n})s)
AND ({system} || '|' || {code}) = ANY (%(pairs{n})s)"""


def _conditions(codes: CodeSet) -> Iterator[_Condition]:
    """Yield conditions of which a record meets at least one. Each is a range of the index."""
    if len(codes.codes) == 1:
        [coding] = codes.codes
        yield _Condition(_ONE, {"code": coding.code, "system": coding.system})
    elif codes.codes:
        yield _Condition(
            _SEVERAL,
            {
                "codes": sorted({coding.code for coding in codes.codes}),
                "systems": sorted({coding.system for coding in codes.codes}),
                "pairs": sorted(f"{coding.system}|{coding.code}" for coding in codes.codes),
            },
        )
    for low, high, systems in sorted(ranges_of(codes)):
        yield _Condition(_RANGE, {"low": low, "high": high, "systems": list(systems)})


def ranges_of(codes: CodeSet) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield ranges of codes, from the first on and before the second, with their systems."""
    for prefix in codes.written_prefixes:
        yield prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1), (ICD10, ICD10CM)
    systems: dict[tuple[str, str], set[str]] = {}
    for each in codes.ranges:
        systems.setdefault((each.low, each.high), set()).add(each.system)
    for (low, high), named in systems.items():
        yield low, high, tuple(sorted(named))
