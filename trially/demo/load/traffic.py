"""How long the requests of a load took, and which errors they met."""

import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock

from trially.demo.load.clients import Answer


class Kind(StrEnum):
    """The kinds of requests that a load sends."""

    CREATE = "create"
    REPLAY = "replay"
    """A creation that is sent once more with the same Idempotency-Key."""

    CHANGE = "change"
    DELETE = "delete"
    READ = "read"
    PAGE = "page"
    """One page of a list."""

    SEARCH = "search"
    UPLOAD = "upload"
    POLL = "poll"
    """A question how far an import is."""


@dataclass(frozen=True)
class Wait:
    """How long a client waited for what it wanted, with all repetitions."""

    tenant: str
    kind: Kind
    began_at: float
    """Seconds since the epoch."""

    seconds: float


@dataclass
class Timings:
    """The waits for one kind of request of a tenant, in the order of their ends."""

    begun: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds of the monotonic clock."""

    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    repeated: int = 0
    """Repetitions of requests that failed."""


class Traffic:
    """All requests of a load. Threads share an object."""

    def __init__(self) -> None:
        self.timings: dict[tuple[str, Kind], Timings] = defaultdict(Timings)
        self.errors: Counter[tuple[str, str]] = Counter()
        """How many attempts had to be repeated, by tenant and status with cause."""

        self.longest: Wait | None = None
        self._lock = Lock()

    def note_wait(self, tenant: str, kind: Kind, begun: float, attempts: int) -> None:
        """Record that a client has its answer now, and began to ask for it at `begun`."""
        seconds = time.monotonic() - begun
        with self._lock:
            timings = self.timings[tenant, kind]
            timings.begun.append(begun)
            timings.seconds.append(seconds)
            timings.repeated += attempts - 1
            if self.longest is None or seconds > self.longest.seconds:
                self.longest = Wait(tenant, kind, time.time() - seconds, seconds)

    def note_error(self, tenant: str, answer: Answer) -> None:
        """Record an attempt that a client repeats, or gives up."""
        with self._lock:
            self.errors[tenant, f"{answer.status or 'connection'} {answer.cause}"] += 1

    def count(self) -> int:
        """Return how many requests have their answers."""
        return sum(len(each.seconds) for each in list(self.timings.values()))

    def repeated(self) -> int:
        """Return how many attempts were repetitions."""
        return sum(each.repeated for each in list(self.timings.values()))

    def waits(self, tenant: str, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Return the seconds of a tenant's waits that lasted at some time between two times.

        The times are of the monotonic clock.
        """
        return [
            seconds
            for (slug, _), timings in list(self.timings.items())
            if slug == tenant
            for begun, seconds in zip(timings.begun, timings.seconds, strict=False)
            if begun < until and begun + seconds > since
        ]


def percentile(seconds: Iterable[float], share: float) -> float:
    """Return the wait that this share of all waits does not exceed; 0 if there is none."""
    ordered = sorted(seconds)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
