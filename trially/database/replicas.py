"""Read replicas: choose one for a request, and the WAL position that it must have replayed.

Each COMMIT also queries the primary's WAL positions, in the same message. Two of them matter to
a later read. A replica that has replayed the position of at most the maximum lag ago is fresh
enough for anyone. A replica that has replayed the position after a client's last write shows that
write to the client. The greater of the two is sent in the opening of the replica's transaction, and
the replica itself checks it. So this process only guesses which replica will accept; a wrong guess
costs a retry on the primary, and never shows stale rows.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from trially.database.placement import Placement, ReplicaPlacement, on_replica
from trially.request_state import request_state
from trially.state import app_state

POSITIONS = ";SELECT pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn()"
"""Sent after a COMMIT: the end of its own WAL, and the WAL that replicas may have received."""

AWAY_SECONDS = 5
"""Seconds for which a replica that could not be reached is not chosen."""

SAMPLES_PER_LAG = 4
"""WAL positions that are stored for each period of the maximum lag."""


class ReplicaTracker:
    """The WAL positions and unavailable replicas of one server, as this process has seen them.

    Threads may share a tracker. `clock` returns seconds.
    """

    def __init__(self, max_lag_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_lag_seconds = max_lag_seconds
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._unavailable_until: dict[int, float] = {}
        self._turns = itertools.count()
        self._lock = Lock()

    def record_position(self, requested_at: float, position: int) -> None:
        """Record a position that the primary had reached at `requested_at` or later."""
        with self._lock:
            last = self._samples[-1][0] if self._samples else float("-inf")
            if requested_at - last >= self._max_lag_seconds / SAMPLES_PER_LAG:
                self._samples.append((requested_at, position))
            self._drop_expired()

    def least_position(self) -> int | None:
        """Return the position that a fresh replica must have replayed.

        Returns None if no position is recent enough, so that only the primary can answer.
        """
        with self._lock:
            self._drop_expired()
            return self._samples[0][1] if self._samples else None

    def choose(self, count: int, is_trusted: Callable[[int], bool] = lambda _: True) -> int | None:
        """Return the number of the next of `count` replicas, or None if all are unavailable.

        `is_trusted` tells by number whether a replica may be chosen.
        """
        turn = next(self._turns)
        for number in (each % count for each in range(turn, turn + count)):
            if self._unavailable_until.get(number, 0) <= self._clock() and is_trusted(number):
                return number
        return None

    def mark_unavailable(self, number: int, *, is_away: bool) -> None:
        """Stop choosing a replica for a while: it cannot be reached (`is_away`), or it lags."""
        seconds = AWAY_SECONDS if is_away else self._max_lag_seconds / SAMPLES_PER_LAG
        self._unavailable_until[number] = self._clock() + seconds

    def _drop_expired(self) -> None:
        while self._samples and self._clock() - self._samples[0][0] > self._max_lag_seconds:
            self._samples.popleft()


def choose_replica(placement: Placement, written_up_to: int) -> ReplicaPlacement | None:
    """Return the placement on a replica that may answer, or None to use the primary.

    `written_up_to` is the WAL position after the client's last write.
    """
    if not placement.replicas:
        return None
    tracker = replica_tracker(placement.server)
    least = tracker.least_position()
    trusts = app_state().engines.is_trusted
    number = None
    if least is not None:
        number = tracker.choose(
            len(placement.replicas), lambda each: trusts(f"{placement.server}@{each}")
        )
    if least is None or number is None:
        return None
    return on_replica(placement, number, max(least, written_up_to))


def mark_unavailable(placement: ReplicaPlacement, *, is_away: bool) -> None:
    """Take a replica that refused or failed out of this process's rotation for a while.

    If the replica lags only behind this client's own write, not the allowed maximum, keep it in
    rotation.
    """
    tracker = replica_tracker(placement.primary)
    least = tracker.least_position()
    if is_away or (least is not None and placement.position <= least):
        tracker.mark_unavailable(placement.number, is_away=is_away)


def record_commit(server: str, requested_at: float, inserted: str, flushed: str) -> None:
    """Record the WAL positions of a server after a COMMIT of this app context."""
    request_state().written_up_to = to_position(inserted)
    replica_tracker(server).record_position(requested_at, to_position(flushed))


def to_position(lsn: str) -> int:
    """Convert a WAL position as PostgreSQL writes it, such as `16/B374D848`, to a number."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def replica_tracker(server: str) -> ReplicaTracker:
    """Return the tracker of a server, and create it on first use."""
    state = app_state()
    tracker = state.replica_trackers.get(server)
    if tracker is None:
        max_lag_seconds = state.settings.replica_max_lag_ms / 1000
        tracker = state.replica_trackers.setdefault(server, ReplicaTracker(max_lag_seconds))
    return tracker
