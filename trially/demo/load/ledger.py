"""The ledger: for each record of a load, what its clients were told."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trially.demo.load.findings import Finding, FindingKind

RECENT = 2_000
GUESSES = 20

Item = Mapping[str, Any]
"""A patient as the API shows it."""


@dataclass(frozen=True)
class State:
    """A record after a write: its values, or None if it was deleted."""

    values: Item | None
    etag: str | None = None
    """None as long as no answer has named it."""

    def is_shown_by(self, item: Item | None) -> bool:
        """Return whether a read that found this item, or nothing, has seen the record so."""
        if self.values is None or item is None:
            return self.values is None and item is None
        is_version = self.etag is None or item.get("etag") == self.etag
        return is_version and all(item.get(name) == value for name, value in self.values.items())


GONE = State(None)


@dataclass
class Entry:
    """One record. A single writer changes it, and any thread may read it.

    The writer notes what it is about to do as `pending`, and appends it to `history` when it is
    acknowledged, before it removes `pending`. So a reader misses nothing if it first reads
    `pending`, and then `history`.
    """

    key: str
    """The Idempotency-Key of its creation, and the patient's MRN."""

    body: bytes
    id: str | None = None
    history: list[State] = field(default_factory=list)
    """Acknowledged states, the oldest first."""

    pending: State | None = None
    """What a write will lead to that is not answered yet."""

    @property
    def newest(self) -> State:
        """Return the last acknowledged state."""
        return self.history[-1]

    @property
    def is_alive(self) -> bool:
        """Return whether the record must exist now."""
        return bool(self.history) and self.newest is not GONE and self.pending is not GONE

    def begin(self, state: State) -> None:
        """Note a state that a write is about to lead to."""
        self.pending = state

    def acknowledge(self, state: State) -> None:
        """Note that the pending write has had its effect."""
        self.history.append(state)
        self.pending = None

    def judge(self, seen: Item | None, *, since: int) -> FindingKind | None:
        """Return what is amiss with the result of a read, or None.

        `since` is the number of acknowledged states when the read began.
        """
        pending = self.pending
        present = self.history[max(since - 1, 0) :]
        if (pending and pending.is_shown_by(seen)) or any(
            state.is_shown_by(seen) for state in present
        ):
            return None
        if not self.history:  # its creation had no answer, so it may be missing
            return None if seen is None else FindingKind.WRONG
        if seen is None:
            return FindingKind.LOST
        is_former = self.newest is GONE or any(state.is_shown_by(seen) for state in self.history)
        return FindingKind.STALE if is_former else FindingKind.WRONG


class Ledger:
    """All records of a load in one tenant. Threads share an object."""

    def __init__(self, tenant: str, run: str, findings: list[Finding]) -> None:
        self.tenant = tenant
        self.prefix = f"{run}."
        """All keys of the run begin with it, in all tenants."""

        self.findings = findings
        self.entries: dict[str, Entry] = {}
        self.imported: list[int] = []
        """The numbers of the imports that were reported as done."""

        self.importing: int | None = None
        """The number of the import that was sent, and is not reported as done."""

        self.read_after: str | None = None
        self._order: list[Entry] = []

    def open(self, entry: Entry) -> None:
        """Add a record that is about to be created."""
        self.entries[entry.key] = entry
        self._order.append(entry)

    def key(self, writer: int, number: int) -> str:
        """Return a key that no other record of this installation has."""
        return f"{self.prefix}{self.tenant}.{writer}.{number}"

    def find(self, amiss: FindingKind, what: str) -> None:
        """Note something that is amiss."""
        self.findings.append(Finding(amiss, self.tenant, what))

    def pick(self) -> Entry | None:
        """Return a recent record that exists, by chance; None if a few guesses find none."""
        recent = self._order[-RECENT:]
        guesses = random.sample(recent, min(len(recent), GUESSES))
        return next((entry for entry in guesses if entry.is_alive), None)

    def count_acknowledged(self) -> int:
        """Return how many writes were acknowledged."""
        writes = sum(len(entry.history) for entry in list(self.entries.values()))
        return writes + len(self.imported)
