"""How the criteria of two versions differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Criterion = Mapping[str, Any]

_ASKED = ("kind", "expression", "is_hard", "weight")
"""The columns that decide what is asked of patients."""

_COMPARED = ("kind", "statement", "evaluation", "expression", "is_hard", "weight")


@dataclass(frozen=True, slots=True)
class Changed:
    """A criterion that both versions have, and that differs."""

    names: tuple[str, ...]
    former: Criterion
    latter: Criterion


@dataclass(frozen=True, slots=True)
class Difference:
    """What the latter of two versions has, lacks and has otherwise."""

    added: Sequence[Criterion]
    removed: Sequence[Criterion]
    changed: Sequence[Changed]
    unchanged: int

    @property
    def changes_matches(self) -> bool:
        """Whether the versions ask different things of patients."""
        return bool(self.added or self.removed) or any(
            name in _ASKED for each in self.changed for name in each.names
        )


def difference_of(former: Sequence[Criterion], latter: Sequence[Criterion]) -> Difference:
    """Return how two lists of criteria differ. Their order does not count.

    A criterion is the same if it was copied, or else if its kind and its statement are the same.
    """
    pairs = _pairs(former, latter)
    changed = [
        Changed(names, one, other)
        for one, other in pairs
        if (names := tuple(name for name in _COMPARED if one[name] != other[name]))
    ]
    found = {id(one) for pair in pairs for one in pair}
    return Difference(
        added=[each for each in latter if id(each) not in found],
        removed=[each for each in former if id(each) not in found],
        changed=changed,
        unchanged=len(pairs) - len(changed),
    )


def answer_of(former: int, latter: int, difference: Difference) -> dict[str, Any]:
    """Return the difference of two versions as `DifferenceSchema` shows it, by their numbers."""
    return {
        "former": former,
        "latter": latter,
        "added": difference.added,
        "removed": difference.removed,
        "changed": [
            {"fields_changed": list(each.names), "former": each.former, "latter": each.latter}
            for each in difference.changed
        ],
        "unchanged": difference.unchanged,
        "changes_matches": difference.changes_matches,
    }


def _pairs(
    former: Sequence[Criterion], latter: Sequence[Criterion]
) -> list[tuple[Criterion, Criterion]]:
    by_key = {each["key"]: each for each in former}
    copied = [(by_key[each["key"]], each) for each in latter if each["key"] in by_key]
    paired = {id(one) for pair in copied for one in pair}
    by_statement: dict[tuple[Any, ...], list[Criterion]] = {}
    for each in former:
        if id(each) not in paired:
            by_statement.setdefault(_said(each), []).append(each)
    return copied + [
        (alike.pop(0), each)
        for each in latter
        if id(each) not in paired and (alike := by_statement.get(_said(each)))
    ]


def _said(criterion: Criterion) -> tuple[Any, ...]:
    return criterion["kind"], tuple(str(criterion["statement"]).lower().split())
