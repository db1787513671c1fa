"""Prometheus metrics: requests, connections and the guard, over all of gunicorn's workers.

Workers write into files of the folder `PROMETHEUS_MULTIPROC_DIR`, so that whichever of them is
asked answers for all. A tenant is named by its id, and only so many have series of their own.
"""

import os
from threading import Lock
from uuid import UUID

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

TENANTS_NAMED = 100
OTHER_TENANTS = "other"
NO_TENANT = "none"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

requests_total = Counter(
    "trially_requests_total", "Requests answered.", ("method", "route", "status")
)
request_seconds = Histogram(
    "trially_request_seconds", "Time to answer, in seconds.", ("method", "route"), buckets=_SECONDS
)
tenant_requests_total = Counter(
    "trially_tenant_requests_total", "Requests answered, by tenant.", ("tenant",)
)
connections_open = Gauge(
    "trially_connections_open",
    "Connections to tenants' databases, open or being opened.",
    multiprocess_mode="livesum",
)
connections_idle = Gauge(
    "trially_connections_idle",
    "Connections to tenants' databases that no request is using.",
    multiprocess_mode="livesum",
)
checkouts_total = Counter(
    "trially_connection_checkouts_total",
    "Checkouts of connections: a hit found one, a miss opened one, a wait found all busy.",
    ("outcome",),
)
guard_seconds = Histogram(
    "trially_guard_seconds", "Time of BEGIN and the guard, in seconds.", buckets=_SECONDS
)

_named: set[UUID] = set()
_lock = Lock()


def tenant_label(tenant_id: UUID | None) -> str:
    """Return a tenant's label: its id for the first so many, then one for all others."""
    if tenant_id is None:
        return NO_TENANT
    if tenant_id not in _named:
        with _lock:
            if len(_named) >= TENANTS_NAMED:
                return OTHER_TENANTS
            _named.add(tenant_id)
    return str(tenant_id)


def render() -> tuple[bytes, str]:
    """Return the metrics of all workers, and their content type."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
