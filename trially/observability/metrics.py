"""Prometheus metrics of requests, connections, jobs and the guard. Those of tenants are apart.

Workers share them by files: `rendering`. No label holds PHI or what a caller sends.
"""

from prometheus_client import Counter, Gauge, Histogram

OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

requests_total = Counter(
    "trially_requests_total", "Requests that were answered.", ("method", "route", "status")
)
request_seconds = Histogram(
    "trially_request_seconds",
    "Time until a response is ready, in seconds.",
    ("method", "route"),
    buckets=_SECONDS,
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
webhook_deliveries_total = Counter(
    "trially_webhook_deliveries_total",
    "Attempts to deliver a webhook, by result: accepted, refused, or why there was no answer.",
    ("result",),
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
slow_statements_total = Counter(
    "trially_slow_statements_total",
    "Statements that took at least TRIALLY_SLOW_QUERY_MS, by route, and whether the text names the"
    " tenant: present, missing, not needed.",
    ("route", "tenant_filter"),
)

_request_series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
"""Series by method, route and status: a lookup here is cheaper than `labels()`."""


def count_request(method: str, route: str, status: int, seconds: float) -> None:
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
