"""How far a move has come."""

import time
from dataclasses import dataclass, field

from blinker import Signal

progressed = Signal()
"""Sent with a `MoveProgress` whenever it says something new, and before each step."""


@dataclass
class MoveProgress:
    """How far a move has come."""

    phase: str = ""
    """The step of decision 0048 that runs."""

    table: str = ""
    rows: int = 0
    """Rows copied from the snapshot."""

    bytes: int = 0
    """Bytes copied from the snapshot, as COPY writes them."""

    expected_bytes: int | None = None
    """How many bytes the copy will have, as the statistics of the tables say."""

    copy_seconds: float = 0.0
    applied_rows: int = 0
    """Rows that changed during the move and were written again."""

    waited_for: str = ""
    """Why the switch has not happened yet."""

    attempts: int = 0
    """How often the switch was tried, the last time included."""

    pause_seconds: float = 0.0
    """How long requests waited for the switch."""

    began: float = field(default_factory=time.monotonic)

    def begin(self, phase: str) -> None:
        """Say that a step begins."""
        self.phase, self.table = phase, ""
        progressed.send(self)

    def begin_table(self, table: str) -> None:
        """Say that a table is copied."""
        self.table = table
        progressed.send(self)

    def count_rows(self, rows: int) -> None:
        """Count copied rows."""
        self.rows += rows
        progressed.send(self)

    def count_bytes(self, count: int) -> None:
        """Count copied bytes."""
        self.bytes += count
        progressed.send(self)

    def wait_for(self, reason: str) -> None:
        """Say why the switch has to wait."""
        self.waited_for = reason
        progressed.send(self)

    @property
    def seconds_left(self) -> float | None:
        """How long the copy will take, at its rate so far; None if that is unknown."""
        if not self.expected_bytes or not self.bytes:
            return None
        return max(self.expected_bytes - self.bytes, 0) * self.seconds / self.bytes

    @property
    def seconds(self) -> float:
        """How long the move has taken, in this process."""
        return time.monotonic() - self.began
