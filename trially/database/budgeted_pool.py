"""The connections of one engine, within a budget that engines share."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from trially.database.budget import ConnectionBudget, Waiter
from trially.database.connecting import TOO_MANY_CONNECTIONS, ConnectionRefusedByServerError

LIMIT_RETRY_SECONDS = 0.2
"""How long a request waits for a returned connection before it tries again to open one."""


class BudgetedPool(Pool):
    """The connections of one engine, within a budget that it shares with other engines.

    `queue_key` returns the queue in which a checkout waits if all connections are busy. Without it,
    all checkouts of this pool share one queue.
    """

    def __init__(
        self,
        creator: Any,
        budget: ConnectionBudget,
        queue_key: Callable[[], Hashable] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(creator, **options)
        self.budget = budget
        self._queue_key = queue_key or (lambda: self)
        self.idle: deque[ConnectionPoolEntry] = deque()
        """Its connections that no request uses, the last used at the end."""
        self.waiting: deque[Waiter] = deque()
        """Checkouts that the server's limit keeps from opening a connection."""

        self.reduced: dict[Hashable, Engine] = {}
        """Engines with these connections that compile statements differently: `tenant_engine`."""

        self.is_disposed = False

    def _do_get(self) -> ConnectionPoolEntry:
        ends_at = time.monotonic() + self.budget.deadline_seconds
        while True:
            entry = self.budget.check_out(self, self._queue_key())
            if entry is not None:
                return entry
            try:
                return self._create_connection()
            except ConnectionRefusedByServerError as refusal:
                self.budget.release()
                if refusal.pgcode != TOO_MANY_CONNECTIONS or time.monotonic() >= ends_at:
                    raise
                if refusal.is_of_whole_server and self.budget.close_longest_idle():
                    continue
            except BaseException:
                self.budget.release()
                raise
            entry = self.budget.wait_for_return(self, LIMIT_RETRY_SECONDS)
            if entry is not None:
                return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self.budget.check_in(self, record)

    def fill(self, count: int) -> None:
        """Open connections until `count` are idle, or the budget is used up. It closes none.

        Idle connections that it finds count as if they had just been used.
        """
        self.budget.touch(self)
        while len(self.idle) < count and not self.is_disposed and self.budget.reserve():
            try:
                entry = self._create_connection()
            except BaseException:
                self.budget.release()
                raise
            self.budget.check_in(self, entry)

    def recreate(self) -> "BudgetedPool":
        """Return an empty pool with the same options and budget."""
        return BudgetedPool(
            self._creator,
            self.budget,
            self._queue_key,
            dialect=self._dialect,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
        )

    def dispose(self) -> None:
        """Close the idle connections, and each other one when it is returned."""
        self.is_disposed = True
        self.budget.close_idle(self)

    def status(self) -> str:
        """Return one line about the pool and its budget."""
        return f"{len(self.idle)} idle; {self.budget.open_connections} open in the whole budget"
