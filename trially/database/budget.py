"""One budget of connections for all the engines that lead to a server.

An idle connection of the tenant that was served longest ago is closed to make room for another
tenant's. When all are busy, a request waits up to a deadline, and the tenants that wait take turns.
"""

import os
import select
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from psycopg2 import Error
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

CLOSE_TIMEOUT_MS = 200


@dataclass
class Counts:
    """What has become of the checkouts of one budget."""

    hits: int = 0
    """A connection was at hand."""
    misses: int = 0
    """One had to be opened."""
    evictions: int = 0
    """Another tenant's idle connection was closed for it."""
    waits: int = 0
    """All were busy, and the request waited."""
    timeouts: int = 0
    """It waited until the deadline, in vain."""


@dataclass(eq=False)
class _Waiter:
    pool: "BudgetedPool"
    turn_of: Hashable
    is_served: Event = field(default_factory=Event)
    at_hand: ConnectionPoolEntry | None = None
    to_close: ConnectionPoolEntry | None = None


class ConnectionBudget:
    """At most `most` connections, open or being opened, over all its pools."""

    def __init__(self, most: int, deadline_seconds: float) -> None:
        self.most = most
        self.counts = Counts()
        self._deadline_seconds = deadline_seconds
        self._lock = Lock()
        self._open = 0
        self._idle: OrderedDict[ConnectionPoolEntry, BudgetedPool] = OrderedDict()
        self._waiting: OrderedDict[Hashable, deque[_Waiter]] = OrderedDict()

    @property
    def open_connections(self) -> int:
        """How many connections are open or being opened."""
        return self._open

    @property
    def idle_connections(self) -> int:
        """How many of them no request is using."""
        return len(self._idle)

    def take(self, pool: "BudgetedPool", turn_of: Hashable) -> ConnectionPoolEntry | None:
        """Return an idle connection of `pool`, or None: one may be opened.

        Those that wait take turns by `turn_of`, which is whoever they wait for.
        Raises SQLAlchemy's `TimeoutError` when the deadline passes first.
        """
        with self._lock:
            if pool.idle:
                self.counts.hits += 1
                entry = pool.idle.pop()
                del self._idle[entry]
                return entry
            self.counts.misses += 1
            if self._open < self.most:
                self._open += 1
                return None
            to_close = self._evict()
            if to_close is None:
                waiter = self._enqueue(pool, turn_of)
        if to_close is None:
            self._wait(waiter)
            if waiter.at_hand is not None:
                return waiter.at_hand
            to_close = waiter.to_close
        if to_close is not None:
            close_for_good(to_close)
        return None

    def give_back(self, pool: "BudgetedPool", entry: ConnectionPoolEntry) -> None:
        """Hand a connection that is no longer used to whoever waits, or keep it."""
        if entry.dbapi_connection is None or pool.is_disposed:
            entry.close()
            self.release()
            return
        with self._lock:
            waiter = self._next_waiter()
            if waiter is None:
                pool.idle.append(entry)
                self._idle[entry] = pool
            elif waiter.pool is pool:
                waiter.at_hand = entry
            else:
                waiter.to_close = entry
        if waiter is not None:
            waiter.is_served.set()

    def release(self) -> None:
        """Take note that a connection has been closed, or could not be opened."""
        with self._lock:
            waiter = self._next_waiter()
            if waiter is None:
                self._open -= 1
        if waiter is not None:
            waiter.is_served.set()

    def close_idle(self, pool: "BudgetedPool") -> None:
        """Close what is idle in a pool."""
        with self._lock:
            entries = list(pool.idle)
            pool.idle.clear()
            for entry in entries:
                del self._idle[entry]
        for entry in entries:
            close_for_good(entry)
            self.release()

    def _evict(self) -> ConnectionPoolEntry | None:
        """Take the connection that has been idle longest away from its pool."""
        if not self._idle:
            return None
        entry, pool = self._idle.popitem(last=False)
        pool.idle.remove(entry)
        self.counts.evictions += 1
        return entry

    def _enqueue(self, pool: "BudgetedPool", turn_of: Hashable) -> _Waiter:
        self.counts.waits += 1
        waiter = _Waiter(pool, turn_of)
        self._waiting.setdefault(turn_of, deque()).append(waiter)
        return waiter

    def _next_waiter(self) -> _Waiter | None:
        """Take the first waiter of the tenant whose turn it is; its next turn is the last."""
        if not self._waiting:
            return None
        turn_of, queue = self._waiting.popitem(last=False)
        waiter = queue.popleft()
        if queue:
            self._waiting[turn_of] = queue
        return waiter

    def _wait(self, waiter: _Waiter) -> None:
        if waiter.is_served.wait(self._deadline_seconds):
            return
        with self._lock:
            queue = self._waiting.get(waiter.turn_of, deque())
            if waiter not in queue:
                # It was served at the last moment, and is about to be told.
                has_given_up = False
            else:
                queue.remove(waiter)
                if not queue:
                    del self._waiting[waiter.turn_of]
                self.counts.timeouts += 1
                has_given_up = True
        if has_given_up:
            raise CheckoutTimeoutError(
                f"All {self.most} connections to the server were busy for"
                f" {self._deadline_seconds:g} seconds."
            )
        waiter.is_served.wait()


class BudgetedPool(Pool):
    """The connections of one engine, within a budget that it shares with others.

    `turn_of` tells for whom a connection is wanted, if not for the pool: they take turns when all
    are busy.
    """

    def __init__(
        self,
        creator: Any,
        budget: ConnectionBudget,
        turn_of: Callable[[], Hashable] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(creator, **options)
        self.budget = budget
        self._turn_of = turn_of or (lambda: self)
        self.idle: deque[ConnectionPoolEntry] = deque()
        """Its connections that no request is using, the last used at the end."""
        self.is_disposed = False

    def _do_get(self) -> ConnectionPoolEntry:
        entry = self.budget.take(self, self._turn_of())
        if entry is not None:
            return entry
        try:
            return self._create_connection()
        except BaseException:
            self.budget.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self.budget.give_back(self, record)

    def recreate(self) -> "BudgetedPool":
        """Return an empty pool like this one."""
        return BudgetedPool(
            self._creator,
            self.budget,
            self._turn_of,
            dialect=self._dialect,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
        )

    def dispose(self) -> None:
        """Close what is idle now, and the rest when it comes back."""
        self.is_disposed = True
        self.budget.close_idle(self)

    def status(self) -> str:
        """Describe the pool in a line."""
        return f"{len(self.idle)} idle; of the budget {self.budget.open_connections} are open"


def close_for_good(entry: ConnectionPoolEntry) -> None:
    """Close a connection and wait until its server process is gone, so that it counts no more.

    The server keeps its end of the socket open until its process exits, so the end of the stream
    tells.
    """
    watched = None
    try:
        if entry.dbapi_connection is not None:
            watched = os.dup(entry.dbapi_connection.fileno())
    except (Error, OSError):
        watched = None
    entry.close()
    if watched is not None:
        poll = select.poll()
        poll.register(watched, select.POLLIN | select.POLLHUP)
        poll.poll(CLOSE_TIMEOUT_MS)
        os.close(watched)
