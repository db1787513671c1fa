"""Metrics about what is stored of each server, as text for Prometheus."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from trially.tenancy.recovery.intervals import Interval

_GAUGES: Sequence[tuple[str, str, Callable[[Interval], float | None]]] = (
    (
        "trially_oldest_restorable_timestamp_seconds",
        "The earliest time to which tenants of the server can be restored.",
        lambda interval: interval.oldest.timestamp() if interval.oldest else None,
    ),
    (
        "trially_newest_restorable_timestamp_seconds",
        "Up to when WAL of the server is stored outside it.",
        lambda interval: interval.newest.timestamp() if interval.newest else None,
    ),
    (
        "trially_possible_loss_seconds",
        "How much of the last changes would be lost with the server; none if all of a tenant.",
        lambda interval: interval.lost_at_most.total_seconds() if interval.lost_at_most else None,
    ),
    (
        "trially_base_backup_timestamp_seconds",
        "When the newest base backup of the server ended.",
        lambda interval: (
            interval.base_backups[-1].usable_from.timestamp() if interval.base_backups else None
        ),
    ),
    (
        "trially_retained_wal_bytes",
        "How much WAL the server keeps for the backup tool.",
        lambda interval: interval.stream.retained_bytes if interval.stream else None,
    ),
    (
        "trially_recovery_problems",
        "What stands against a restore of the server's tenants to a minute ago.",
        lambda interval: len(interval.problems),
    ),
)


def metrics_of(intervals: Sequence[Interval]) -> str:
    """Return the metrics of servers. A metric without a value is left out."""
    registry = CollectorRegistry()
    for name, text, value_of in _GAUGES:
        gauge = Gauge(name, text, ["server"], registry=registry)
        for interval in intervals:
            value = value_of(interval)
            if value is not None:
                gauge.labels(interval.server).set(value)
    return generate_latest(registry).decode()
