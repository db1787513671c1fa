"""Labels of statements, and whether proposals agree with them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from trially.recruiting.drafting.reading.readings import Part

LABELS = Path(__file__).with_name("eligibility_labels.tsv")
_PART = re.compile(
    r"(?P<negation>!?)(?P<kind>[a-z0-9_]+):(?P<key>[a-z0-9_]+)"
    r"(?P<bounds>(?:[<>]=?[\d.]+)*)(?P<time>(?:[@~]P\d+[YMWD])?)(?P<optional>\??)"
)
_BOUND = re.compile(r"([<>]=?)([\d.]+)")
_DAYS = {"D": 1.0, "W": 7.0, "M": 30.4, "Y": 365.25}
_SIGNS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}


@dataclass(frozen=True, slots=True)
class LabelledPart:
    """A part of a statement, as labels and proposals are compared."""

    kind: str
    key: str
    bounds: tuple[tuple[str, Decimal], ...]
    time: tuple[str, int] | None
    is_negated: bool
    is_optional: bool = False

    @property
    def identity(self) -> tuple[Any, ...]:
        """All that must agree."""
        return (self.kind, self.key, self.bounds, self.time, self.is_negated)


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of one statement."""

    study: str
    statement: int
    whole: str
    """`y`: the language can say all of it; `n`: it cannot; `-`: the statement asks nothing."""
    parts: tuple[LabelledPart, ...]


def read_labels() -> Iterator[Label]:
    """Yield the labels."""
    for line in LABELS.read_text().splitlines():
        if line.startswith("#"):
            continue
        study, number, whole, *parts = line.split("\t")
        found = tuple(_labelled(part) for part in "".join(parts).split())
        yield Label(study, int(number), whole, found)


def _labelled(text: str) -> LabelledPart:
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(text)
    bounds = sorted((sign, Decimal(number)) for sign, number in _BOUND.findall(match["bounds"]))
    return LabelledPart(
        match["kind"],
        match["key"],
        tuple(bounds),
        _time(match["time"]),
        bool(match["negation"]),
        bool(match["optional"]),
    )


def proposed(part: Part) -> LabelledPart:
    """Return a proposal as labels write it. Of several ranges, the first counts."""
    leaf, body = _first_leaf(part.criterion)
    is_negated = part.is_negated
    if part.kind.value == "pregnancy":
        is_negated = is_negated != ("not" in part.criterion)
    key = "pregnant" if part.kind.value == "pregnancy" else part.key
    value = body if leaf == "age" else body.get("value", {})
    bounds = sorted((_SIGNS[name], Decimal(str(value[name]))) for name in _SIGNS if name in value)
    is_adult = part.key == "adult"
    key = "age" if is_adult else key
    time = _window_of(part.criterion)
    return LabelledPart(part.kind.value, key, tuple(bounds), time, is_negated)


def _first_leaf(criterion: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    [(name, inner)] = criterion.items()
    if isinstance(inner, list):
        return _first_leaf(inner[0])
    return _first_leaf(inner) if name == "not" else (name, inner)


def _window_of(criterion: dict[str, Any]) -> tuple[str, int] | None:
    """Return the time of any leaf: `@` for a window, `~` for a least duration."""
    [(name, inner)] = criterion.items()
    if isinstance(inner, list):
        return next((found for each in inner if (found := _window_of(each))), None)
    if name == "not":
        return _window_of(inner)
    within = inner.get("within", {})
    if inner.get("min_days"):
        return "~", round(inner["min_days"] / 7)
    if "from" in within and within["from"] != "P0D":
        return _time("@" + within["from"].lstrip("-"))
    return _time("~" + within["to"].lstrip("-")) if "to" in within else None


def _time(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    return text[0], round(int(text[2:-1]) * _DAYS[text[-1]] / 7)
