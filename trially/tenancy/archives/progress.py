"""How far a restore has come in this process."""

import time
from dataclasses import dataclass, field

from blinker import Signal

advanced = Signal()
"""Sent with a `RestoreProgress` whenever some rows were loaded."""


@dataclass
class RestoreProgress:
    """How far a restore has come."""

    expected_bytes: int | None = None
    """The bytes of all rows of the archive."""

    table: str = ""
    bytes: int = 0
    """The bytes of the rows that were loaded."""

    began: float = field(default_factory=time.monotonic)

    def count(self, table: str, count: int) -> None:
        """Count loaded bytes of a table's rows."""
        self.table = table
        self.bytes += count
        advanced.send(self)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at the rate so far; None if that is unknown."""
        if not self.expected_bytes or not self.bytes:
            return None
        left = max(self.expected_bytes - self.bytes, 0)
        return left * (time.monotonic() - self.began) / self.bytes
