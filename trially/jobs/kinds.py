"""The kinds of jobs, and what a step of a job can do. A room registers its kinds when imported."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

from trially.audit.forms import Action
from trially.auth.permissions import Permission
from trially.errors import OperatorError

KINDS: dict[str, "Kind"] = {}
"""All registered kinds, by name."""


class JobError(OperatorError):
    """The job cannot succeed, however often it is tried. The message is a sentence without PHI.

    `result` is added to what the job shows as its result.
    """

    def __init__(self, message: str, result: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.result = result


class JobTimeError(JobError):
    """The job has used up its time."""


class JobInterruptedError(Exception):
    """The attempt must end without a result: the job was cancelled, or its worker is ending."""


class LeaseLostError(Exception):
    """Another worker has taken the job over, so nothing of this attempt may be committed."""


@dataclass
class Turn:
    """One run of a step: what it is given, and what it says about its progress."""

    job_id: UUID
    parameters: Mapping[str, Any]
    position: Mapping[str, Any] | None
    """Where the step continues, if an earlier run of it has called `again`."""

    ends_at: float
    """When the attempt's time is used up, by `time.monotonic()`."""

    must_end: threading.Event = field(default_factory=threading.Event)
    """Set when the job was cancelled, its lease is lost, or its worker is ending."""

    done: int = 0
    total: int | None = None
    next_position: Mapping[str, Any] | None = None
    results: dict[str, Any] = field(default_factory=dict)
    """What the job shows as its result, that of earlier attempts included."""

    store_results: Callable[[Mapping[str, Any]], None] = lambda _results: None
    """Writes results to the job in the open transaction."""

    def check(self) -> None:
        """Raise `JobInterruptedError` or `JobTimeError` if the step must not continue.

        A step that runs for long calls it now and then.
        """
        if self.must_end.is_set():
            raise JobInterruptedError
        if time.monotonic() > self.ends_at:
            raise JobTimeError("The job took longer than it may.")

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how much of the work is done. It is stored with the step, or by the heartbeat."""
        self.done, self.total = done, self.total if total is None else total

    def again(self, position: Mapping[str, Any]) -> None:
        """Run this step once more from `position`, after its transaction has committed."""
        self.next_position = position

    def result(self, **values: Any) -> None:
        """Add to what the job shows as its result. No value may identify a patient."""
        self.results.update(values)

    def publish(self, **values: Any) -> None:
        """Add to the result in the open transaction, before the step ends.

        Raises `LeaseLostError`.
        """
        self.result(**values)
        self.store_results(values)


@dataclass(frozen=True)
class Step:
    """A part of a job.

    `run` runs in one transaction of the tenant, in which the step is also marked as completed: it
    takes effect once, or not at all. With `has_own_transactions`, `run` commits by itself. It may
    be run again after a crash, and must then continue after its own last commit.
    """

    name: str
    run: Callable[[Turn], None]
    has_own_transactions: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of jobs."""

    name: str
    steps: tuple[Step, ...]
    needs: Permission | None
    """The permission that the member who asked must still have when the job runs."""

    action: Action = Action.OPERATE
    """What the audit log says that the job does."""

    most_seconds: float = 300.0
    """How long one attempt may take."""

    most_attempts: int = 5
    """How often a step is tried."""

    has_file: bool = False
    """Whether jobs are sent with a file, which is deleted when they end."""

    file_hours: float | None = None
    """How long the file that a job has made is kept after the job has ended."""

    when_cancelled: Callable[[Turn], None] | None = None
    """Ends what a cancelled job has begun. It commits by itself, and may be run several times."""

    def step_after(self, name: str | None) -> Step | None:
        """Return the step that follows a completed one, or None after the last.

        Raises `JobError` if this version of the app does not know the completed step.
        """
        if name is None:
            return self.steps[0]
        names = [step.name for step in self.steps]
        if name not in names:
            raise JobError(f"The step {name!r} of {self.name!r} is unknown to this version.")
        return next(iter(self.steps[names.index(name) + 1 :]), None)


def register(kind: Kind) -> Kind:
    """Let workers run jobs of this kind. Raises `ValueError` for a name that is taken."""
    if kind.name in KINDS:
        raise ValueError(f"There is a kind of jobs called {kind.name!r} already.")
    KINDS[kind.name] = kind
    return kind
