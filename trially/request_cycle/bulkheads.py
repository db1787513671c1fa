"""Bulkheads: no tenant and no server can hold all threads of a process.

A tenant may hold a share of the threads, and all tenants of one server may hold all but a reserve.
A request above the limit waits for a moment. If the threads of its tenant or server are stuck, or
none becomes free, it is refused, so that its thread can serve others.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Condition
from uuid import UUID

from flask import Flask, request

from trially.auth.plan_refusals import too_many_at_once
from trially.config import current_settings
from trially.http.codes import Code
from trially.http.problems import ServiceUnavailable
from trially.http.retry_after import retry_after
from trially.observability.limit_metrics import limit_refusals_total
from trially.observability.tenant_metrics import labels
from trially.rate_limits.counts import share_of_process
from trially.request_state import request_state
from trially.state import app_state, state_of
from trially.tenancy.directory import TenantEntry
from trially.tenancy.entitlements.limits import Limit

RESERVED_THREADS = 2
"""Threads that the tenants of one server leave to other servers."""

TENANT_PATIENCE_SECONDS = 0.9
SERVER_PATIENCE_SECONDS = 1.0
"""A request that runs longer is slow. If all are slow, their tenant or server is stuck.

A request that gives up a silent replica after 0.7 s and is answered by the primary is not slow.
"""

COMPARTMENTS_KEPT = 5_000

Waiting = Callable[[], AbstractContextManager[None]]
"""What the server offers to a request that waits: meanwhile another thread answers requests."""


class FullError(RuntimeError):
    """A tenant or a server holds all threads that it may hold."""


class PlanFullError(RuntimeError):
    """As many requests of a tenant run as its plan allows."""


@dataclass
class Compartment:
    """The requests of one tenant or server that run in this process. Times are in seconds."""

    limit: int
    patience: float
    starts: dict[int, float] = field(default_factory=dict)
    """When each running request began, the oldest first."""

    last_quick_end: float = float("-inf")
    last_slow_end: float = float("-inf")

    def is_full(self) -> bool:
        """Return whether no further request may run."""
        return len(self.starts) >= self.limit

    def is_stuck(self, now: float) -> bool:
        """Return whether requests run for long, and none ended quickly of late.

        If the last requests to end were slow ones, for example at a `lock_timeout`, the next ones
        that take their places are not expected to be quick, although they have only begun.
        """
        if self.last_slow_end - self.last_quick_end > self.patience:
            return True
        oldest = next(iter(self.starts.values()), now)
        return now - max(oldest, self.last_quick_end) > self.patience

    def end(self, number: int, now: float) -> None:
        """Record the end of a request."""
        if now - self.starts.pop(number) <= self.patience:
            self.last_quick_end = now
        else:
            self.last_slow_end = now


class Bulkheads:
    """Counts the running requests of each tenant and server. Threads share an object."""

    def __init__(
        self, threads: int, tenant_share: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._of_tenant = max(1, math.ceil(threads * tenant_share)), TENANT_PATIENCE_SECONDS
        self._of_server = max(1, threads - RESERVED_THREADS), SERVER_PATIENCE_SECONDS
        self._compartments: dict[Hashable, Compartment] = {}
        self._changed = Condition()
        self._numbers = 0
        self.waits: Counter[UUID] = Counter()
        """How many requests of each tenant have waited for a thread of its share."""

        self.refusals: Counter[UUID] = Counter()
        """How many requests of each tenant were refused."""

    def enter(
        self,
        tenant: UUID,
        server: str,
        waiting: Waiting = nullcontext,
        most: int | None = None,
    ) -> tuple[int, tuple[Compartment, ...]]:
        """Admit a request of a tenant, or raise `FullError`. Give the result to `leave`.

        If the request has to wait, it waits in the context of `waiting`. Raises `PlanFullError` at
        once if `most` requests of the tenant run here.
        """
        began = self._clock()
        with self._changed:
            mine = (
                self._compartment(tenant, *self._of_tenant),
                self._compartment(server, *self._of_server),
            )
            if most is not None and len(mine[0].starts) >= most:
                raise PlanFullError
            if not any(each.is_full() for each in mine):
                return self._admit(mine, began)
            self.waits[tenant] += 1
        with waiting(), self._changed:
            self._wait(tenant, mine)
            return self._admit(mine, began)

    def leave(self, number: int, mine: tuple[Compartment, ...]) -> None:
        """Record the end of an admitted request."""
        with self._changed:
            now = self._clock()
            for each in mine:
                each.end(number, now)
            self._changed.notify_all()

    def running(self) -> dict[UUID, int]:
        """Return how many requests of each tenant run now."""
        with self._changed:
            return {
                key: len(each.starts)
                for key, each in self._compartments.items()
                if isinstance(key, UUID) and each.starts
            }

    def _admit(
        self, mine: tuple[Compartment, ...], began: float
    ) -> tuple[int, tuple[Compartment, ...]]:
        self._numbers += 1
        for each in mine:
            each.starts[self._numbers] = began
        return self._numbers, mine

    def _wait(self, tenant: UUID, mine: tuple[Compartment, ...]) -> None:
        ends_at = self._clock() + TENANT_PATIENCE_SECONDS
        while full := [each for each in mine if each.is_full()]:
            now = self._clock()
            if now >= ends_at or any(each.is_stuck(now) for each in full):
                self.refusals[tenant] += 1
                raise FullError
            self._changed.wait(ends_at - now)

    def _compartment(self, key: Hashable, limit: int, patience: float) -> Compartment:
        found = self._compartments.get(key)
        if found is None:
            if len(self._compartments) >= COMPARTMENTS_KEPT:
                self._drop_empty()
            found = self._compartments[key] = Compartment(limit, patience)
        return found

    def _drop_empty(self) -> None:
        for key in [key for key, each in self._compartments.items() if not each.starts]:
            del self._compartments[key]


def occupy_thread(entry: TenantEntry) -> None:
    """Count the current request among its tenant's.

    Raises `TooManyRequests` if the tenant's plan allows no more at the same time, and
    `ServiceUnavailable` if the tenant or its server holds all threads that it may hold.
    """
    refusal = "Too many requests of this tenant are running."
    try:
        occupy_thread_of(entry.tenant_id, entry.placement.server, refusal, most_at_once(entry))
    except PlanFullError:
        limit_refusals_total.labels(
            labels.label_of(entry.tenant_id), str(Limit.CONCURRENT_REQUESTS)
        ).inc()
        raise too_many_at_once(entry) from None


def occupy_thread_of(tenant: UUID, server: str, refusal: str, most: int | None = None) -> None:
    """Count the current request among those of a tenant and a server.

    Raises `PlanFullError` if `most` are answered at the same time, and `ServiceUnavailable` with
    `refusal` as its detail if the tenant or the server holds all threads that it may hold.
    """
    waiting = request.environ.get("trially.waiting", nullcontext)
    try:
        occupied = app_state().bulkheads.enter(tenant, server, waiting, most)
    except FullError:
        raise ServiceUnavailable(
            refusal, code=Code.TENANT_BUSY, headers=retry_after(Code.TENANT_BUSY, tenant)
        ) from None
    request_state().occupied = occupied


def most_at_once(entry: TenantEntry) -> int | None:
    """Return how many requests of a tenant may run in this process, or None if any number.

    It is an equal share of the plan's limit: a process that is killed then holds no places.
    """
    most = entry.plan.most(Limit.CONCURRENT_REQUESTS)
    return None if most is None else share_of_process(most, current_settings().processes)


def free_thread(_error: BaseException | None = None) -> None:
    """End what `occupy_thread` began."""
    occupied, request_state().occupied = request_state().occupied, None
    if occupied is not None:
        app_state().bulkheads.leave(*occupied)


def init_app(app: Flask) -> None:
    """Give the app its bulkheads."""
    settings = state_of(app).settings
    state_of(app).bulkheads = Bulkheads(settings.threads, settings.tenant_thread_share)
    app.teardown_request(free_thread)
