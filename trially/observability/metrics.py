"""Prometheus metrics of requests, connections and the guard, over all of gunicorn's workers.

Each worker writes to files in the folder `PROMETHEUS_MULTIPROC_DIR`, so any of them can render the
metrics of all. The label of a tenant is its id. The number of tenants with a label of their own is
limited.
"""

import os
import time
from collections import Counter as Counting
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from threading import Lock
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from trially.database.budget import ConnectionBudget

TENANTS_NAMED = 100
"""Tenants with a label of their own, in each process; several workers may have more together."""
OTHER = "other"
NO_TENANT = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_USAGE_INTERVAL_SECONDS = 1

requests_total = Counter(
    "trially_requests_total", "Requests that were answered.", ("method", "route", "status")
)
request_seconds = Histogram(
    "trially_request_seconds",
    "Time until a response is ready, in seconds.",
    ("method", "route"),
    buckets=_SECONDS,
)
tenant_requests_total = Counter(
    "trially_tenant_requests_total", "Requests that were answered, by tenant id.", ("tenant",)
)
guard_refusals_total = Counter(
    "trially_guard_refusals_total",
    "Transactions that a tenant's guard rejected, by reason.",
    ("reason",),
)
tokens_refused_total = Counter(
    "trially_tokens_refused_total",
    "Requests whose bearer token was refused, by reason.",
    ("reason",),
)
issuer_available = Gauge(
    "trially_issuer_available",
    "1 if the last fetch of the issuer's keys succeeded in every worker that tried, else 0.",
    ("issuer",),
    multiprocess_mode="livemin",
)
catalog_available = Gauge(
    "trially_catalog_available",
    "1 if the catalog answered every worker's last query, else 0.",
    multiprocess_mode="livemin",
)
catalog_migrated = Gauge(
    "trially_catalog_migrated",
    "0 if the catalog is behind the revision that a worker's code needs, else 1.",
    multiprocess_mode="livemin",
)
tenants_by_revision = Gauge(
    "trially_tenants",
    "Tenants by their recorded revision: current, behind, outdated, newer than the code, unknown.",
    ("revision",),
    multiprocess_mode="livemostrecent",
)
tenants_quarantined = Gauge(
    "trially_tenants_quarantined",
    "Tenants whose last migration failed. `flask tenants status` names them.",
    multiprocess_mode="livemostrecent",
)
catalog_stale_answers_total = Counter(
    "trially_catalog_stale_answers_total",
    "Answers from the cache that have expired, because the catalog does not answer, by kind.",
    ("kind",),
)
data_keys_unwrapped_total = Counter(
    "trially_data_keys_unwrapped_total",
    "Data keys that the master key was asked to unwrap, by outcome: unwrapped, failed, or expired"
    " ones used instead.",
    ("outcome",),
)
database_faults_total = Counter(
    "trially_database_faults_total",
    "Requests that a database did not serve, by the problem's code and the server.",
    ("code", "server"),
)
busy_threads = Gauge(
    "trially_busy_threads",
    "Threads that answer a request of this tenant now.",
    ("tenant",),
    multiprocess_mode="livesum",
)
tenant_waits_total = Counter(
    "trially_tenant_waits_total",
    "Requests of a tenant that waited for a thread of its share or for a connection.",
    ("tenant", "resource"),
)
tenant_refusals_total = Counter(
    "trially_tenant_refusals_total",
    "Requests of a tenant that were refused because its threads were all in use.",
    ("tenant",),
)
replica_requests_total = Counter(
    "trially_replica_requests_total",
    "Requests sent to a read replica: answered there, or retried on the primary.",
    ("outcome",),
)
audit_alerts_total = Counter(
    "trially_audit_alerts_total", "Alerts that rules found in audit logs, by rule.", ("rule",)
)
jobs_total = Counter(
    "trially_jobs_total", "Attempts to run a job, by kind and outcome.", ("kind", "outcome")
)
job_seconds = Histogram(
    "trially_job_seconds",
    "Duration of attempts to run a job, in seconds.",
    ("kind",),
    buckets=(*_SECONDS, 60, 300, 1800),
)
jobs_queued = Gauge(
    "trially_jobs_queued",
    "Jobs of all tenants that wait, as workers last counted them.",
    multiprocess_mode="livemostrecent",
)
jobs_running = Gauge(
    "trially_jobs_running",
    "Jobs of all tenants that run, as workers last counted them.",
    multiprocess_mode="livemostrecent",
)
jobs_oldest_seconds = Gauge(
    "trially_jobs_oldest_seconds",
    "For how long the oldest waiting job has been due.",
    multiprocess_mode="livemostrecent",
)
jobs_overdue_seconds = Gauge(
    "trially_jobs_overdue_seconds",
    "For how long a tenant with jobs has waited for a visit of a worker.",
    multiprocess_mode="livemostrecent",
)
backup_oldest_seconds = Gauge(
    "trially_backup_oldest_seconds",
    "Age of the newest backup, of the tenant for which it is oldest.",
    multiprocess_mode="livemostrecent",
)
tenants_without_backup = Gauge(
    "trially_tenants_without_backup",
    "Tenants that have no backup. `flask tenants show` says when each was backed up.",
    multiprocess_mode="livemostrecent",
)
connections_open = Gauge(
    "trially_connections_open",
    "Connections to tenants' databases, open or being opened.",
    ("server",),
    multiprocess_mode="livesum",
)
connections_idle = Gauge(
    "trially_connections_idle",
    "Open connections to tenants' databases that no request uses.",
    ("server",),
    multiprocess_mode="livesum",
)
checkouts_total = Counter(
    "trially_connection_checkouts_total",
    "Checkouts of connections by outcome: hits, misses, evictions, waits, timeouts.",
    ("server", "outcome"),
)


class ThreadUsage(Protocol):
    """How many threads of this process the tenants' requests use."""

    waits: Counting[UUID]
    refusals: Counting[UUID]

    def running(self) -> dict[UUID, int]:
        """Return how many requests of each tenant run now."""


class _Usage:
    """Exports what requests use: connections by server, threads and waits by tenant."""

    def __init__(self) -> None:
        self._recorded: WeakKeyDictionary[object, dict[str, Mapping[Any, int]]] = (
            WeakKeyDictionary()
        )
        """The counts of an object that were exported last, by their kind."""

        self._next_at = 0.0
        self._lock = Lock()

    def is_due(self) -> bool:
        return time.monotonic() >= self._next_at

    def record(self, budgets: Mapping[str, ConnectionBudget], threads: ThreadUsage) -> None:
        with self._lock:
            self._next_at = time.monotonic() + _USAGE_INTERVAL_SECONDS
            for server, budget in budgets.items():
                self._record_budget(server, budget)
            self._record_threads(threads)

    def _record_budget(self, server: str, budget: ConnectionBudget) -> None:
        connections_open.labels(server).set(budget.open_connections)
        connections_idle.labels(server).set(budget.idle_connections)
        for outcome, count in self._rises(budget, "checkouts", asdict(budget.counts)):
            checkouts_total.labels(server, outcome).inc(count)
        for tenant_id, count in self._rises(budget, "waits", budget.waits_by_queue):
            tenant_waits_total.labels(tenant_label(tenant_id), "connection").inc(count)

    def _record_threads(self, threads: ThreadUsage) -> None:
        busy = Counting(dict.fromkeys(_busy_labels, 0))
        for tenant_id, count in threads.running().items():
            busy[tenant_label(tenant_id)] += count
        for label, count in busy.items():
            busy_threads.labels(label).set(count)
        _busy_labels.update(busy)
        for tenant_id, count in self._rises(threads, "waits", threads.waits):
            tenant_waits_total.labels(tenant_label(tenant_id), "thread").inc(count)
        for tenant_id, count in self._rises(threads, "refusals", threads.refusals):
            tenant_refusals_total.labels(tenant_label(tenant_id)).inc(count)

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


usage = _Usage()
_busy_labels: set[str] = set()
_named: set[UUID] = set()
_lock = Lock()
_request_series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
"""Series by method, route and status: a lookup here is cheaper than `labels()`."""
_tenant_series: dict[str, Counter] = {}


def count_request(
    method: str, route: str, status: int, seconds: float, tenant_id: UUID | None
) -> None:
    """Count one answered request; `route` is the URL's template."""
    key = (method, route, status)
    series = _request_series.get(key)
    if series is None:
        method_label = method if method in _METHODS else OTHER
        series = (
            requests_total.labels(method_label, route, status),
            request_seconds.labels(method_label, route),
        )
        if method_label == method:
            _request_series[key] = series
    series[0].inc()
    series[1].observe(seconds)
    label = tenant_label(tenant_id)
    tenant = _tenant_series.get(label)
    if tenant is None:
        tenant = _tenant_series[label] = tenant_requests_total.labels(label)
    tenant.inc()


def tenant_label(tenant_id: UUID | None) -> str:
    """Return a tenant's label: its id for the first `TENANTS_NAMED`, `other` for all others."""
    if tenant_id is None:
        return NO_TENANT
    if tenant_id not in _named:
        with _lock:
            if len(_named) >= TENANTS_NAMED:
                return OTHER
            _named.add(tenant_id)
    return str(tenant_id)


def render() -> tuple[bytes, str]:
    """Return the metrics of all workers as text, and the content type."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
