"""Prometheus metrics by tenant: requests, their duration and errors, waits, slow statements.

The label of a tenant is its id. A slug may be a customer's name, and metrics leave the
installation. `flask tenants list` has both. The number of labels is limited: `tenant_labels`.
"""

from http import HTTPStatus
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from trially.observability.tenant_labels import TenantLabels

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Fewer than those of all requests, because each tenant has a series for each."""

tenant_requests_total = Counter(
    "trially_tenant_requests_total", "Requests that were answered, by tenant id.", ("tenant",)
)
tenant_request_seconds = Histogram(
    "trially_tenant_request_seconds",
    "Time until a response is ready, in seconds, by tenant id.",
    ("tenant",),
    buckets=_SECONDS,
)
tenant_errors_total = Counter(
    "trially_tenant_errors_total",
    "Requests that were answered with an error, by tenant id: 4xx or 5xx.",
    ("tenant", "status"),
)
tenant_slow_statements_total = Counter(
    "trially_tenant_slow_statements_total",
    "Statements that took at least TRIALLY_SLOW_QUERY_MS, by tenant id.",
    ("tenant",),
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
tenant_labelled = Gauge(
    "trially_tenant_labelled",
    "1 for each tenant that a worker counts under its own id now. The others are `other`.",
    ("tenant",),
    multiprocess_mode="livemax",
)


def _export_label(label: str, value: int) -> None:
    tenant_labelled.labels(label).set(value)


labels = TenantLabels(announce=_export_label)
"""The labels of this process."""

_series: dict[str, tuple[Counter, Histogram]] = {}
"""Series by label: a lookup here is cheaper than `labels()`."""


def count_tenant_request(tenant_id: UUID | None, status: int, seconds: float) -> None:
    """Count one answered request of a tenant, or of none."""
    label = labels.count_request(tenant_id)
    series = _series.get(label)
    if series is None:
        series = tenant_requests_total.labels(label), tenant_request_seconds.labels(label)
        _series[label] = series
    series[0].inc()
    series[1].observe(seconds)
    if status >= HTTPStatus.BAD_REQUEST:
        is_of_server = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        tenant_errors_total.labels(label, "5xx" if is_of_server else "4xx").inc()
