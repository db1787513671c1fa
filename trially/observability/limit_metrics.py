"""Metrics of the limits of plans, and of the store in which processes share their counts."""

from prometheus_client import Counter, Gauge

limit_refusals_total = Counter(
    "trially_limit_refusals_total",
    "Requests that were refused by a limit of their tenant's plan, by the kind of the limit.",
    ("tenant", "limit"),
)
limit_store_available = Gauge(
    "trially_limit_store_available",
    "0 if the store of limits did not answer the last question of any worker, else 1.",
    multiprocess_mode="livemin",
)
limit_store_failures_total = Counter(
    "trially_limit_store_failures_total",
    "Questions to which the store of limits gave no answer that can be used, by reason.",
    ("reason",),
)
