"""One budget of connections for all engines of a server.

To open a connection for one tenant, the budget closes the connection of another tenant that has
been idle longest. If all connections are busy, requests wait in one queue per tenant until a
deadline, and the queues are served in turn: a tenant with many requests cannot starve the others.

If the server refuses a connection because a limit of its own is reached (SQLSTATE 53300), the
request waits for a connection of the same tenant instead. Connections that have been idle for long
are closed, so that other processes can use what the limits allow.
"""

import os
import select
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING

from psycopg2 import Error
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

if TYPE_CHECKING:
    from trially.database.budgeted_pool import BudgetedPool

CLOSE_TIMEOUT_MS = 200


@dataclass
class Counts:
    """Outcomes of the checkouts of one budget, counted."""

    hits: int = 0
    """An idle connection of the same engine was used."""
    misses: int = 0
    """No connection of the same engine was idle."""
    evictions: int = 0
    """An idle connection of another engine was closed to make room."""
    waits: int = 0
    """All connections were busy, so the request waited."""
    timeouts: int = 0
    """The request waited until the deadline and got no connection."""
    limit_waits: int = 0
    """The server's limit of connections was reached, so the request waited for one of its own."""
    expirations: int = 0
    """A connection was closed because it had been idle for long."""


@dataclass(eq=False)
class Waiter:
    """A checkout that waits for a connection."""

    pool: "BudgetedPool"
    queue_key: Hashable
    is_served: Event = field(default_factory=Event)
    to_use: ConnectionPoolEntry | None = None
    """A connection of the same pool, handed over."""
    to_close: ConnectionPoolEntry | None = None
    """A connection of another pool: the waiter closes it, then opens its own."""


class ConnectionBudget:
    """At most `most` connections, open or being opened, over all its pools."""

    def __init__(
        self, most: int, deadline_seconds: float, idle_seconds: float = float("inf")
    ) -> None:
        self.most = most
        self.counts = Counts()
        self.waits_by_queue: Counter[Hashable] = Counter()
        """How many checkouts of each queue have waited."""

        self.deadline_seconds = deadline_seconds
        self.closes_newest = False
        """Whether the connection that became idle last makes room, for work that visits tenants in
        turn. To close the one that was idle longest would close each before its next visit."""

        self._idle_seconds = idle_seconds
        self._lock = Lock()
        self._open = 0
        self._idle: OrderedDict[ConnectionPoolEntry, tuple[BudgetedPool, float]] = OrderedDict()
        """Idle connections with their pools and since when they are idle, the oldest first."""

        self._queues: OrderedDict[Hashable, deque[Waiter]] = OrderedDict()

    @property
    def open_connections(self) -> int:
        """The number of connections that are open or being opened."""
        return self._open

    @property
    def idle_connections(self) -> int:
        """The number of open connections that no request uses."""
        return len(self._idle)

    def check_out(self, pool: "BudgetedPool", queue_key: Hashable) -> ConnectionPoolEntry | None:
        """Return an idle connection of `pool`, or None: the caller may open one.

        Requests with the same `queue_key` wait in one queue, and the queues are served in turn.
        Raises SQLAlchemy's `TimeoutError` after the deadline.
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
            to_close = self._evict(is_newest=self.closes_newest)
            if to_close is None:
                waiter = self._enqueue(pool, queue_key)
        if to_close is None:
            self._wait(waiter)
            if waiter.to_use is not None:
                return waiter.to_use
            to_close = waiter.to_close
        if to_close is not None:
            close_and_wait(to_close)
        return None

    def check_in(self, pool: "BudgetedPool", entry: ConnectionPoolEntry) -> None:
        """Hand a connection to the next waiting request, or keep it idle in its pool."""
        if entry.dbapi_connection is None or pool.is_disposed:
            entry.close()
            self.release()
            return
        with self._lock:
            waiter = pool.waiting.popleft() if pool.waiting else self._next_waiter()
            if waiter is None:
                pool.idle.append(entry)
                self._idle[entry] = pool, time.monotonic()
            elif waiter.pool is pool:
                waiter.to_use = entry
            else:
                waiter.to_close = entry
        if waiter is not None:
            waiter.is_served.set()

    def release(self) -> None:
        """Record that a connection was closed or could not be opened, and serve the next waiter."""
        with self._lock:
            waiter = self._next_waiter()
            if waiter is None:
                self._open -= 1
        if waiter is not None:
            waiter.is_served.set()

    def reserve(self) -> bool:
        """Let the caller open a connection if that needs no other one to be closed."""
        with self._lock:
            has_room = self._open < self.most
            self._open += has_room
        return has_room

    def touch(self, pool: "BudgetedPool") -> None:
        """Keep the idle connections of a pool as if they had just been used."""
        with self._lock:
            for entry in pool.idle:
                self._idle[entry] = pool, time.monotonic()
                self._idle.move_to_end(entry)

    def wait_for_return(self, pool: "BudgetedPool", seconds: float) -> ConnectionPoolEntry | None:
        """Return the next connection that is returned to `pool`, or None after `seconds`."""
        waiter = Waiter(pool, None)
        with self._lock:
            if pool.idle:
                entry = pool.idle.pop()
                del self._idle[entry]
                return entry
            self.counts.limit_waits += 1
            pool.waiting.append(waiter)
        if not waiter.is_served.wait(seconds):
            with self._lock:
                if waiter in pool.waiting:
                    pool.waiting.remove(waiter)
                    return None
            waiter.is_served.wait()
        return waiter.to_use

    def close_longest_idle(self) -> bool:
        """Close the connection that has been idle longest; return False if none is idle."""
        with self._lock:
            entry = self._evict()
        if entry is None:
            return False
        close_and_wait(entry)
        self.release()
        return True

    def tidy(self) -> None:
        """Close the connections that have been idle for too long."""
        while True:
            with self._lock:
                entry, (_, since) = next(iter(self._idle.items()), (None, (None, 0.0)))
                if entry is None or time.monotonic() - since < self._idle_seconds:
                    return
                self._evict()
                self.counts.evictions -= 1
                self.counts.expirations += 1
            entry.close()
            self.release()

    def close_idle(self, pool: "BudgetedPool") -> None:
        """Close the idle connections of a pool."""
        with self._lock:
            entries = list(pool.idle)
            pool.idle.clear()
            for entry in entries:
                del self._idle[entry]
        for entry in entries:
            close_and_wait(entry)
            self.release()

    def _evict(self, *, is_newest: bool = False) -> ConnectionPoolEntry | None:
        """Remove the connection that has been idle longest, or shortest, and return it."""
        if not self._idle:
            return None
        entry, (pool, _) = self._idle.popitem(last=is_newest)
        pool.idle.remove(entry)
        self.counts.evictions += 1
        return entry

    def _enqueue(self, pool: "BudgetedPool", queue_key: Hashable) -> Waiter:
        self.counts.waits += 1
        self.waits_by_queue[queue_key] += 1
        waiter = Waiter(pool, queue_key)
        self._queues.setdefault(queue_key, deque()).append(waiter)
        return waiter

    def _next_waiter(self) -> Waiter | None:
        """Remove the first waiter of the next queue, and put that queue behind all others."""
        if not self._queues:
            return None
        queue_key, queue = self._queues.popitem(last=False)
        waiter = queue.popleft()
        if queue:
            self._queues[queue_key] = queue
        return waiter

    def _wait(self, waiter: Waiter) -> None:
        """Wait until the waiter is served; raise `TimeoutError` after the deadline."""
        if waiter.is_served.wait(self.deadline_seconds):
            return
        with self._lock:
            queue = self._queues.get(waiter.queue_key, deque())
            has_timed_out = waiter in queue
            if has_timed_out:
                queue.remove(waiter)
                if not queue:
                    del self._queues[waiter.queue_key]
                self.counts.timeouts += 1
        if has_timed_out:
            raise CheckoutTimeoutError(
                f"All {self.most} connections to the server were busy for"
                f" {self.deadline_seconds:g} seconds."
            )
        # Another thread took this waiter from its queue at the deadline, and will set the event.
        waiter.is_served.wait()


def close_and_wait(entry: ConnectionPoolEntry) -> None:
    """Close a connection and wait until its server process has ended.

    Until then the server counts the connection towards its limits. The server's end of the socket
    stays open until the process exits, so the end of the stream shows that it has.
    """
    socket_copy = None
    try:
        if entry.dbapi_connection is not None:
            socket_copy = os.dup(entry.dbapi_connection.fileno())
    except (Error, OSError):
        socket_copy = None
    entry.close()
    if socket_copy is not None:
        poll = select.poll()
        poll.register(socket_copy, select.POLLIN | select.POLLHUP)
        poll.poll(CLOSE_TIMEOUT_MS)
        os.close(socket_copy)
