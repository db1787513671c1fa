"""Prometheus metrics: requests, connections and the guard, over all of gunicorn's workers.

Workers write into files of the folder `PROMETHEUS_MULTIPROC_DIR`, so that whichever of them is
asked answers for all. A tenant is named by its id, and only so many have series of their own.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from threading import Lock
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
"""In each process; the series of several workers may name more between them."""
OTHER = "other"
NO_TENANT = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_POOL_INTERVAL_SECONDS = 1

requests_total = Counter(
    "trially_requests_total", "Requests answered.", ("method", "route", "status")
)
request_seconds = Histogram(
    "trially_request_seconds", "Time to answer, in seconds.", ("method", "route"), buckets=_SECONDS
)
tenant_requests_total = Counter(
    "trially_tenant_requests_total", "Requests answered, by tenant.", ("tenant",)
)
guard_refusals_total = Counter(
    "trially_guard_refusals_total", "Transactions that a tenant's guard refused.", ("reason",)
)
replica_requests_total = Counter(
    "trially_replica_requests_total",
    "Requests sent to a read replica: answered there, or by the primary after all.",
    ("outcome",),
)
connections_open = Gauge(
    "trially_connections_open",
    "Connections to tenants' databases, open or being opened.",
    ("server",),
    multiprocess_mode="livesum",
)
connections_idle = Gauge(
    "trially_connections_idle",
    "Connections to tenants' databases that no request is using.",
    ("server",),
    multiprocess_mode="livesum",
)
checkouts_total = Counter(
    "trially_connection_checkouts_total",
    "What became of checkouts of connections: hits, misses, evictions, waits, timeouts.",
    ("server", "outcome"),
)


class _Pools:
    """How the budgets of connections were when last told."""

    def __init__(self) -> None:
        self._told: WeakKeyDictionary[ConnectionBudget, dict[str, int]] = WeakKeyDictionary()
        self._next_at = 0.0
        self._lock = Lock()

    def is_due(self) -> bool:
        return time.monotonic() >= self._next_at

    def tell(self, budgets: Mapping[str, ConnectionBudget]) -> None:
        with self._lock:
            self._next_at = time.monotonic() + _POOL_INTERVAL_SECONDS
            for server, budget in budgets.items():
                connections_open.labels(server).set(budget.open_connections)
                connections_idle.labels(server).set(budget.idle_connections)
                now, before = asdict(budget.counts), self._told.get(budget, {})
                for outcome, count in now.items():
                    checkouts_total.labels(server, outcome).inc(count - before.get(outcome, 0))
                self._told[budget] = now


pools = _Pools()
_named: set[UUID] = set()
_lock = Lock()
_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
"""Series by what a request was, to look them up once only; as many as there are routes."""
_tenants: dict[str, Counter] = {}


def count_request(
    method: str, route: str, status: int, seconds: float, tenant_id: UUID | None
) -> None:
    """Count one request that has been answered."""
    key = (method, route, status)
    series = _children.get(key)
    if series is None:
        named = method if method in _METHODS else OTHER
        series = (
            requests_total.labels(named, route, status),
            request_seconds.labels(named, route),
        )
        if named == method:
            _children[key] = series
    series[0].inc()
    series[1].observe(seconds)
    label = tenant_label(tenant_id)
    tenant = _tenants.get(label)
    if tenant is None:
        tenant = _tenants[label] = tenant_requests_total.labels(label)
    tenant.inc()


def tenant_label(tenant_id: UUID | None) -> str:
    """Return a tenant's label: its id for the first so many, then one for all others."""
    if tenant_id is None:
        return NO_TENANT
    if tenant_id not in _named:
        with _lock:
            if len(_named) >= TENANTS_NAMED:
                return OTHER
            _named.add(tenant_id)
    return str(tenant_id)


def render() -> tuple[bytes, str]:
    """Return the metrics of all workers, and their content type."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
