"""How far a task is, as its worker says it. A thread records the newest state with the lease."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass
class Report:
    """The newest state of a task. Threads share it."""

    _state: Mapping[str, Any] | None = None
    _lock: Lock = field(default_factory=Lock)

    def say(
        self, phase: str, done: int | None = None, total: int | None = None, unit: str | None = None
    ) -> None:
        """Say what is being done, and how much of it in which unit."""
        with self._lock:
            self._state = {"phase": phase, "done": done, "total": total, "unit": unit}

    def take(self) -> Mapping[str, Any] | None:
        """Return the newest state, or None if it was taken already."""
        with self._lock:
            state, self._state = self._state, None
        return state
