"""Export what requests use: connections by server, threads and waits by tenant."""

import time
from collections import Counter as Counting
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from threading import Lock
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from trially.database.budget import ConnectionBudget
from trially.observability.metrics import checkouts_total, connections_idle, connections_open
from trially.observability.tenant_metrics import (
    busy_threads,
    labels,
    tenant_refusals_total,
    tenant_waits_total,
)

_INTERVAL_SECONDS = 1


class ThreadUsage(Protocol):
    """How many threads of this process the tenants' requests use."""

    waits: Counting[UUID]
    refusals: Counting[UUID]

    def running(self) -> dict[UUID, int]:
        """Return how many requests of each tenant run now."""


class Usage:
    """Exports what has changed since the last time."""

    def __init__(self) -> None:
        self._recorded: WeakKeyDictionary[object, dict[str, Mapping[Any, int]]] = (
            WeakKeyDictionary()
        )
        """The counts of an object that were exported last, by their kind."""

        self._busy_labels: set[str] = set()
        self._next_at = 0.0
        self._lock = Lock()

    def is_due(self) -> bool:
        """Return whether the interval has passed."""
        return time.monotonic() >= self._next_at

    def record(self, budgets: Mapping[str, ConnectionBudget], threads: ThreadUsage) -> None:
        """Export the usage of now."""
        with self._lock:
            self._next_at = time.monotonic() + _INTERVAL_SECONDS
            labels.rank_if_due()
            for server, budget in budgets.items():
                self._record_budget(server, budget)
            self._record_threads(threads)

    def _record_budget(self, server: str, budget: ConnectionBudget) -> None:
        connections_open.labels(server).set(budget.open_connections)
        connections_idle.labels(server).set(budget.idle_connections)
        for outcome, count in self._rises(budget, "checkouts", asdict(budget.counts)):
            checkouts_total.labels(server, outcome).inc(count)
        for tenant_id, count in self._rises(budget, "waits", budget.waits_by_queue):
            tenant_waits_total.labels(labels.label_of(tenant_id), "connection").inc(count)

    def _record_threads(self, threads: ThreadUsage) -> None:
        busy = Counting(dict.fromkeys(self._busy_labels, 0))
        for tenant_id, count in threads.running().items():
            busy[labels.label_of(tenant_id)] += count
        for label, count in busy.items():
            busy_threads.labels(label).set(count)
        self._busy_labels.update(busy)
        for tenant_id, count in self._rises(threads, "waits", threads.waits):
            tenant_waits_total.labels(labels.label_of(tenant_id), "thread").inc(count)
        for tenant_id, count in self._rises(threads, "refusals", threads.refusals):
            tenant_refusals_total.labels(labels.label_of(tenant_id)).inc(count)

    def _rises(
        self, owner: object, kind: str, counts: Mapping[Any, int]
    ) -> Iterator[tuple[Any, int]]:
        """Yield the names of the counts that rose since the last call, and by how much."""
        counts = dict(counts)
        recorded = self._recorded.setdefault(owner, {})
        before, recorded[kind] = recorded.get(kind, {}), counts
        for name, count in counts.items():
            if rise := count - before.get(name, 0):
                yield name, rise


usage = Usage()
