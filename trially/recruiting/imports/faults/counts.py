"""Count the faults of an import, and store the first ones and some of each kind."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trially.database.rows import Item
from trially.recruiting.imports.faults import Concern, FaultCode, LineFault
from trially.recruiting.imports.writing.batch_writing import record_faults

MOST_TYPES_NAMED = 200
OTHER_TYPES = "(other)"
MOST_REASONS_NAMED = 200
OTHER_REASONS = "(other reasons)"
NO_TYPE = "(none)"
"""The type of faults that are not about a resource whose type is known."""
EXAMPLES_OF_GROUP = 5
"""Faults of each code and type that are stored even if the import has many other faults."""
_POSITION = re.compile(r"\[\d+\]")
"""The position of an item in a reason: `Observation.component[3]`. Counts leave it out."""


class FaultCounts:
    """The counts of an import's faults: of all, by reason, and by code and type of resource."""

    def __init__(self, import_id: UUID, row: Item, most_stored: int) -> None:
        """Continue the counts of an import's row."""
        self.all: int = row["error_count"]
        self.refused: int = row["refused_count"]
        """Faults that cost a record. A record that waits for its patient is not lost."""
        self._import_id = import_id
        self._most_stored = most_stored
        self._reasons: dict[str, int] = row["error_counts"]
        self._groups: dict[str, dict[str, int]] = row["error_groups"]
        if uncounted := self.all - sum(self._reasons.values()):
            # They were counted by a version without counts by reason.
            self._reasons[OTHER_REASONS] = uncounted

    def record(self, faults: Sequence[LineFault]) -> None:
        """Count faults, and store as many of them as may be stored."""
        stored = []
        for fault in faults:
            if self._may_store(fault):
                stored.append(fault)
            self.add(fault, 1)
        record_faults(stored, self._import_id)

    def add(self, fault: LineFault, number: int) -> None:
        """Count faults like this one, without storing them."""
        self.all += number
        if fault.concerns == Concern.RECORD and fault.code != FaultCode.PATIENT_MISSING:
            self.refused += number
        reason = _POSITION.sub("[*]", fault.reason)
        count_named(self._reasons, reason, number, MOST_REASONS_NAMED, OTHER_REASONS)
        types = self._groups.setdefault(fault.code.value, {})
        kind = fault.resource_type or NO_TYPE
        count_named(types, kind, number, MOST_TYPES_NAMED, OTHER_TYPES)

    def columns(self) -> dict[str, Any]:
        """Return the counts as columns of the import."""
        return {
            "error_count": self.all,
            "refused_count": self.refused,
            "error_counts": self._reasons,
            "error_groups": self._groups,
        }

    def _may_store(self, fault: LineFault) -> bool:
        kind = fault.resource_type or NO_TYPE
        in_group = self._groups.get(fault.code.value, {}).get(kind, 0)
        few = min(EXAMPLES_OF_GROUP, self._most_stored)
        return self.all < self._most_stored or in_group < few


def count_named(counts: dict[str, int], name: str, number: int, most: int, other: str) -> None:
    """Add to the count of a name or, if there are too many names, to that of the others."""
    name = name if name in counts or len(counts) < most else other
    counts[name] = counts.get(name, 0) + number
