"""Let as many requests through as budgets allow."""

import time
from collections.abc import Callable, Iterable
from threading import Lock

from trially.keys import SecretKeys
from trially.rate_limits.counts import WINDOW_SECONDS, Budget, Count, Standing
from trially.rate_limits.store import Store

KEPT_SECONDS = 2 * WINDOW_SECONDS
"""How long the store keeps a count. Clocks of machines may differ."""

SWEEP_SECONDS = 10
"""How often this process forgets counts of windows that have ended, at most."""


class ExhaustedError(Exception):
    """A budget is used up."""

    def __init__(self, standings: tuple[Standing, ...], exhausted: Standing) -> None:
        super().__init__()
        self.standings = standings
        self.exhausted = exhausted
        """The standing of the budget that is used up; of several, the one that is full last."""


class RateLimiter:
    """Counts requests of this process, with the others' in a store. Threads may share an object.

    `keys` name the installation in the store. `clock` returns seconds since the epoch of Unix.
    """

    def __init__(
        self,
        keys: SecretKeys,
        processes: int,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._processes = processes
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._asking = Lock()
        self._counts: dict[Budget, Count] = {}
        self._sweeps_at = 0.0

    def spend(self, *budgets: Budget) -> tuple[Standing, ...]:
        """Count one request in all budgets, and return what is left of them.

        Raises `ExhaustedError` if one is used up. Then the request is counted in none.
        """
        now = self._clock()
        counts = tuple(self._count(budget, now) for budget in budgets)
        while True:
            with self._lock:
                empty = [count for count in counts if not count.left]
                if not empty:
                    for count in counts:
                        count.spend()
                if not empty or any(count.is_exhausted for count in empty):
                    break
            for count in empty:
                self._refill(count)
        standings = tuple(count.standing(now) for count in counts)
        if empty:
            raise ExhaustedError(standings, _last_to_be_full(empty, now))
        return standings

    def _count(self, budget: Budget, now: float) -> Count:
        count = self._counts.get(budget)
        if count is not None and now < count.ends_at:
            return count
        with self._lock:
            self._sweep(now)
            count = self._counts.get(budget)
            if count is None or now >= count.ends_at:
                count = self._counts[budget] = Count(budget, now)
            return count

    def _sweep(self, now: float) -> None:
        """Forget the counts of windows that have ended, unless that was done lately."""
        if now >= self._sweeps_at:
            self._sweeps_at = now + SWEEP_SECONDS
            self._counts = {key: each for key, each in self._counts.items() if now < each.ends_at}

    def _refill(self, count: Count) -> None:
        """Get more requests for a count, or find out that it gets no more."""
        with self._asking:
            if count.left or count.is_last:
                return  # Another thread has refilled it.
            taken = self._ask(count)
            with self._lock:
                if taken is None:
                    count.use_share(self._processes)
                else:
                    count.grant(taken)

    def _ask(self, count: Count) -> int | None:
        """Take a part from the store. Return what all processes have taken; None if unknown."""
        if self._store is None:
            return None
        key = f"{self._keys.fingerprint_in_use}:{count.budget.key(count.window)}"
        taken = self._store.add(key, count.part, KEPT_SECONDS)
        if taken is not None and not count.believes(taken):
            self._store.distrust("nonsense")
            return None
        if taken is not None:
            self._store.trust()
        return taken


def _last_to_be_full(counts: Iterable[Count], now: float) -> Standing:
    exhausted = (count.standing(now) for count in counts if count.is_exhausted)
    return max(exhausted, key=lambda each: each.seconds)
