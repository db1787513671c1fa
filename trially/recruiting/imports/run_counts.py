"""The counts of one import, by type of resource."""

from collections.abc import Mapping
from typing import Any

from trially.database.rows import Item
from trially.recruiting.imports.faults.counts import MOST_TYPES_NAMED, OTHER_TYPES, count_named
from trially.recruiting.imports.writing.batches import Batch

COUNTED = (
    *("read", "new", "changed", "stale", "withdrawn", "erased"),
    *("entered_in_error", "waiting", "resolved"),
)
"""The counts that an import has for each type of resource."""


class RunCounts:
    """The counts of an import's records: those of each type, and of the types that it ignores."""

    def __init__(self, row: Item) -> None:
        """Continue the counts of an import's row."""
        self._counts: dict[str, dict[str, int]] = row["counts"]
        self._ignored: dict[str, int] = row["passed_over"]

    def add(self, batch: Batch) -> None:
        """Add the counts of a written batch."""
        for kind, number in batch.read.items():
            self.of(kind)["read"] += number
        for kind, number in batch.entered_in_error.items():
            self.of(kind)["entered_in_error"] += number
        for (kind, outcome), number in batch.written.items():
            self.of(kind)[outcome] += number
        for kind, number in batch.ignored.items():
            self.ignore(kind, number)

    def ignore(self, kind: str, number: int) -> None:
        """Count ignored resources of a type."""
        count_named(self._ignored, kind, number, MOST_TYPES_NAMED, OTHER_TYPES)

    def of(self, kind: str) -> dict[str, int]:
        """Return the counts of a type, which may be changed."""
        counts = self._counts.setdefault(kind, {})
        for name in COUNTED:
            counts.setdefault(name, 0)
        return counts

    @property
    def taken_in(self) -> int:
        """Number of resources that were read or ignored."""
        read = sum(counts["read"] for counts in self._counts.values())
        return read + sum(self._ignored.values())

    @property
    def is_zero(self) -> bool:
        """Whether nothing has been counted."""
        return not self._ignored and not any(
            any(counts.values()) for counts in self._counts.values()
        )

    def columns(self) -> dict[str, Any]:
        """Return the counts as columns of the import."""
        return {"counts": self._counts, "passed_over": self._ignored}


def by_type(written: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Return the numbers of written records by type and outcome, without those that are 0."""
    counts: dict[str, dict[str, int]] = {}
    for (kind, outcome), number in written.items():
        if number:
            counts.setdefault(kind, {})[outcome] = number
    return counts
