"""The starter sets: value sets that come with trially, in the folder `starters`.

Their codes are written as criteria write them, followed by a name for the reader: `sct|44054006
Diabetes mellitus type 2`. `version` grows with each change of a set's codes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from trially.recruiting.valuesets.composing import Composition, parse_composition

FOLDER = Path(__file__).with_name("starters")
_NAMESPACE = UUID("6f0a3c5e-4f55-4c61-9c1d-5f7c1c1a3b0e")
_NAMED_CODE = re.compile(r"([^|]+\|\S+) (.+)")


@dataclass(frozen=True)
class StarterSet:
    """A value set that every tenant has."""

    key: str
    number: int
    """Its version."""
    name: str
    description: str
    sources: tuple[str, ...]
    composition: Composition
    names: frozenset[str]
    """The names of its codes, for the search of codes that it may lack."""

    @property
    def id(self) -> UUID:
        """The id in paths, the same in every tenant and installation."""
        return uuid5(_NAMESPACE, self.key)


@cache
def starter_sets() -> Mapping[str, StarterSet]:
    """Return the starter sets by key, in the order of their names."""
    found = [_read(path) for path in FOLDER.glob("*.json")]
    return {each.key: each for each in sorted(found, key=lambda each: each.name)}


def find_starter(value_set_id: UUID) -> StarterSet | None:
    """Return the starter set with an id, or None."""
    return next((each for each in starter_sets().values() if each.id == value_set_id), None)


def _read(path: Path) -> StarterSet:
    document = json.loads(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    compose = {
        member: [_without_names(part, names) for part in parts]
        for member, parts in document["compose"].items()
    }
    return StarterSet(
        key=document["key"],
        number=document["version"],
        name=document["name"],
        description=document["description"],
        sources=tuple(document["sources"]),
        composition=parse_composition(compose),
        names=frozenset(names),
    )


def _without_names(part: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    codes = []
    for written in part.get("codes", ()):
        match = _NAMED_CODE.fullmatch(written)
        if match is None:
            raise ValueError(f"The code {written!r} of a starter set has no name.")
        codes.append(match[1])
        names.add(match[2])
    return {**part, **({"codes": codes} if codes else {})}
