"""Read replicas: which of them may answer a request, and what it must have replayed before.

The primary's place in its write-ahead log comes with each COMMIT, in the same message. A replica
that has replayed where the primary was less than the greatest lag ago is as fresh as it has to be;
one that has replayed where the primary was when a client last wrote shows the client that. Both are
one position, which rides in the opening of the replica's transaction: so what a process thinks of a
replica is never more than a guess at who will not refuse.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from trially.database.placement import Placement, ReplicaPlacement, on_replica
from trially.state import app_state, request_state

POSITIONS = ";SELECT pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn()"
"""Asked behind a COMMIT: after what it wrote, and what replicas may have by now."""

AWAY_SECONDS = 5
"""How long a replica is not tried again that could not be reached."""

SAMPLES_PER_LAG = 4


class ReplicaTracker:
    """What this process knows of one server's log and replicas. May be used from several threads.

    `clock` gives seconds.
    """

    def __init__(self, max_lag_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_lag_seconds = max_lag_seconds
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._aside: dict[int, float] = {}
        self._turns = itertools.count()
        self._lock = Lock()

    def note(self, asked_at: float, position: int) -> None:
        """Take note of where the primary was, at that time or later."""
        with self._lock:
            last = self._samples[-1][0] if self._samples else float("-inf")
            if asked_at - last >= self._max_lag_seconds / SAMPLES_PER_LAG:
                self._samples.append((asked_at, position))
            self._drop_old()

    def least_position(self) -> int | None:
        """Return what a replica must have replayed to be fresh; None if the primary must say."""
        with self._lock:
            self._drop_old()
            return self._samples[0][1] if self._samples else None

    def choose(self, count: int) -> int | None:
        """Return the number of a replica whose turn it is, None if all are put aside."""
        turn = next(self._turns)
        for number in range(turn, turn + count):
            if self._aside.get(number % count, 0) <= self._clock():
                return number % count
        return None

    def mark_unavailable(self, number: int, *, is_away: bool) -> None:
        """Do not choose a replica for a while: it is away, or behind."""
        seconds = AWAY_SECONDS if is_away else self._max_lag_seconds / SAMPLES_PER_LAG
        self._aside[number] = self._clock() + seconds

    def _drop_old(self) -> None:
        while self._samples and self._clock() - self._samples[0][0] > self._max_lag_seconds:
            self._samples.popleft()


def choose_replica(placement: Placement, written_up_to: int) -> ReplicaPlacement | None:
    """Return the placement on a replica that may answer, or None if the primary is to.

    `written_up_to` is where the log was when the client last wrote.
    """
    if not placement.replicas:
        return None
    tracker = replica_tracker(placement.server)
    least = tracker.least_position()
    number = None if least is None else tracker.choose(len(placement.replicas))
    if least is None or number is None:
        return None
    return on_replica(placement, number, max(least, written_up_to))


def mark_unavailable(placement: ReplicaPlacement, *, is_away: bool) -> None:
    """Have this process leave a replica alone that could not answer.

    One that is only behind what its client has written goes on answering others.
    """
    tracker = replica_tracker(placement.primary)
    least = tracker.least_position()
    if is_away or (least is not None and placement.position <= least):
        tracker.mark_unavailable(placement.number, is_away=is_away)


def record_commit(server: str, asked_at: float, inserted: str, flushed: str) -> None:
    """Take note of where a server's log was after a COMMIT of this app context."""
    request_state().written_up_to = to_position(inserted)
    replica_tracker(server).note(asked_at, to_position(flushed))


def to_position(lsn: str) -> int:
    """Read a place in the log as PostgreSQL writes it, such as `16/B374D848`."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def replica_tracker(server: str) -> ReplicaTracker:
    """Return what this process knows of a server's log and replicas."""
    state = app_state()
    tracker = state.replica_trackers.get(server)
    if tracker is None:
        max_lag_seconds = state.settings.replica_max_lag_ms / 1000
        tracker = state.replica_trackers.setdefault(server, ReplicaTracker(max_lag_seconds))
    return tracker
