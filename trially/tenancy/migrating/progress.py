"""How far a run of migrations has come, and what became of each place."""

import time
from dataclasses import dataclass, field

from trially.tenancy.migrating.attempts import Attempted
from trially.tenancy.migration_runs import RunState


@dataclass
class Progress:
    """How far a run has come."""

    total: int
    at_target: int
    ended: list[Attempted] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    state: RunState = RunState.RUNNING
    stage: str = ""

    @property
    def failed(self) -> list[Attempted]:
        """The places that could not be migrated, those of servers that are down included."""
        return [each for each in self.ended if each.failure and not each.is_skipped]

    @property
    def skipped(self) -> list[Attempted]:
        """The places that were left alone, because an operation works on their tenant."""
        return [each for each in self.ended if each.is_skipped]

    @property
    def migrated(self) -> list[Attempted]:
        """The places that are at the target now."""
        return [each for each in self.ended if each.failure is None]

    @property
    def counted_failures(self) -> int:
        """The failures that count towards the limit. A server that is down is no failure."""
        return sum(1 for each in self.failed if not each.is_unreachable)

    @property
    def seconds(self) -> float:
        """How long the run has taken."""
        return time.monotonic() - self.began
