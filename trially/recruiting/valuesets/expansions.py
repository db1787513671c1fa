"""Expansions: the codes that a value set, or a leaf of criteria, comes down to.

An expansion has single codes and ranges of codes, so that `E11*` needs no list. Codes are ordered
by their bytes, as PostgreSQL orders them with the collation C.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trially.recruiting.criteria.code_sets import CodeRange, CodeSet
from trially.recruiting.criteria.language.codes import Coding

_AFTER = "!"
"""The first printable character after the blank. The range from a code to the code with it holds
the code alone, because no code has a blank."""


def codes_from(system: str, prefix: str) -> CodeRange:
    """Return the range of all codes that begin with a prefix."""
    return CodeRange(system, prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1))


@dataclass(frozen=True)
class Expansion:
    """A set of codes in the one form that all spellings of it share.

    Ranges are sorted and do not touch each other, and no single code is in one of them.
    """

    codes: frozenset[tuple[str, str]] = frozenset()
    """Pairs of a system's URL and a code."""
    ranges: tuple[CodeRange, ...] = ()

    @classmethod
    def of(
        cls, codes: Iterable[tuple[str, str]] = (), ranges: Iterable[CodeRange] = ()
    ) -> "Expansion":
        """Return the expansion of codes and ranges that may overlap."""
        merged = tuple(_merged(sorted(ranges)))
        with_ranges = {each.system for each in merged}
        return cls(
            frozenset(
                each for each in codes if each[0] not in with_ranges or not _covers(merged, *each)
            ),
            merged,
        )

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the codes and ranges: equal expansions, and no others, share it."""
        content = json.dumps([sorted(self.codes), self.ranges], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def is_empty(self) -> bool:
        """Whether no code is in the set."""
        return not (self.codes or self.ranges)

    def __contains__(self, coding: tuple[str, str]) -> bool:
        """Return whether a code of a system is in the set."""
        return coding in self.codes or _covers(self.ranges, *coding)

    def __or__(self, other: "Expansion") -> "Expansion":
        """Return the codes that are in one of both sets."""
        return Expansion.of(self.codes | other.codes, (*self.ranges, *other.ranges))

    def __sub__(self, other: "Expansion") -> "Expansion":
        """Return the codes that are not in the other set."""
        holes = [
            *other.ranges,
            *(CodeRange(system, code, code + _AFTER) for system, code in other.codes),
        ]
        ranges: list[CodeRange] = list(self.ranges)
        for hole in holes:
            ranges = [part for each in ranges for part in _without(each, hole)]
        return Expansion.of((each for each in self.codes if each not in other), ranges)

    def as_code_set(self, title: str | None = None) -> CodeSet:
        """Return the set as criteria read it. Its version is the digest."""
        codes = frozenset(Coding(*each) for each in self.codes)
        return CodeSet(codes, version=self.digest, title=title, ranges=frozenset(self.ranges))

    def systems_of(self, code: str) -> list[str]:
        """Return the systems of which the set has this code."""
        found = {system for system, each in self.codes if each == code}
        found |= {each.system for each in self.ranges if each.low <= code < each.high}
        return sorted(found)

    def as_json(self) -> dict[str, Any]:
        """Return the expansion as it is stored: codes by system, and ranges."""
        codes: dict[str, list[str]] = {}
        for system, code in sorted(self.codes):
            codes.setdefault(system, []).append(code)
        return {"codes": codes, "ranges": [list(each) for each in self.ranges]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Expansion":
        """Return the expansion that `as_json` has written."""
        codes = frozenset(
            (system, code) for system, listed in stored["codes"].items() for code in listed
        )
        return cls(codes, tuple(CodeRange(*each) for each in stored["ranges"]))


EMPTY = Expansion()


def _merged(ranges: Sequence[CodeRange]) -> Iterator[CodeRange]:
    current: CodeRange | None = None
    for each in ranges:
        if current and each.system == current.system and each.low <= current.high:
            current = current._replace(high=max(current.high, each.high))
        else:
            if current:
                yield current
            current = each
    if current:
        yield current


def _covers(ranges: Iterable[CodeRange], system: str, code: str) -> bool:
    return any(each.system == system and each.low <= code < each.high for each in ranges)


def _without(part: CodeRange, hole: CodeRange) -> Iterator[CodeRange]:
    if part.system != hole.system or hole.high <= part.low or part.high <= hole.low:
        yield part
        return
    if part.low < hole.low:
        yield part._replace(high=hole.low)
    if hole.high < part.high:
        yield part._replace(low=hole.high)
