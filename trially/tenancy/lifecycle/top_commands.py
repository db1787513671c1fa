"""`flask tenants top`."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from trially.database.connection_shares import MOST_NEW_CONNECTIONS
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.activity import Activity, Listed, Sample, sample_activity
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.lifecycle.listing import TenantFilter, describe_tenants
from trially.tenancy.lifecycle.served_metrics import ServedMetrics, read_metrics
from trially.terminal import NOTHING, print_items, table_options
from trially.terminal.durations import Duration

RATES = {
    "requests_s": "requests",
    "waits_s": "waits",
    "refusals_s": "refusals",
    "transactions_s": "transactions",
    "opened_s": "opened",
    "rows_read_s": "rows_read",
    "rows_written_s": "rows_written",
}
"""The columns that are counters per second."""

TRANSACTIONS_TO_JUDGE = 100
"""With fewer transactions, the share of those that began with a new connection says little."""

COLUMNS = (
    *("tenant", "tier", "connections", "active", "waiting", "longest_s", "busy", "threads"),
    *RATES,
)
OPTIONAL = (
    *("connections", "opened_s", "rows_written_s", "rows_read_s", "transactions_s", "requests_s"),
    *("busy", "longest_s", "tier", "threads", "waits_s", "refusals_s"),
)


@dataclass
class Moment:
    """What was measured at one time."""

    at: float
    sample: Sample
    served: ServedMetrics = field(default_factory=ServedMetrics)

    def counters_of(self, tenant_id: str) -> Mapping[str, float]:
        """Return what only grows, of one tenant."""
        return {
            **self.sample.by_tenant.get(tenant_id, Activity()).counters,
            **self.served.counters.get(tenant_id, {}),
        }


@catalog_command("top", loses=NOTHING, only_reads=True, needs_routes=False)
@click.option("--tier", type=click.Choice([each.value for each in Tier]), help="Only in this tier.")
@click.option("--server", shell_complete=complete_server, help="Only on this server.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Rows shown.")
@click.option(
    "--interval",
    type=Duration(),
    default=2.0,
    show_default="2s",
    help="How long is measured, and how often it is shown.",
)
@click.option("--once", is_flag=True, help="Show it once, and end.")
@click.option(
    "--metrics", metavar="URL", help="The /metrics of a server, for requests, threads and waits."
)
@table_options
def top(
    *,
    tier: str | None,
    server: str | None,
    limit: int,
    interval: float,
    once: bool,
    metrics: str | None,
    as_json: bool,
) -> None:
    """Show the busiest tenants: requests, time, waits, connections and rows.

    No text of a statement is read. What PostgreSQL does not tell in a tier is `-`. Without --once
    it goes on until Ctrl-C.

    \b
    Example:
      flask tenants top --metrics http://127.0.0.1:8000/metrics
    """  # noqa: D301
    wanted = TenantFilter(tier=tier, server=server)
    before = _measure(describe_tenants(wanted), metrics)
    while True:
        time.sleep(interval)
        tenants = describe_tenants(wanted)
        now = _measure(tenants, metrics)
        rows = busiest(tenants, before, now)[:limit]
        if not as_json and sys.stdout.isatty() and not once:
            click.clear()
        print_items(rows, COLUMNS, as_json=as_json, optional=OPTIONAL)
        for sentence in rarely_reused(before.sample, now.sample):
            click.echo(sentence, err=True)
        for place, reason in sorted(now.sample.failures.items()):
            click.echo(f"The {place} could not be asked ({reason}).", err=True)
        if once:
            return
        before = now


def busiest(tenants: Sequence[Listed], before: Moment, now: Moment) -> list[dict[str, Any]]:
    """Return a row for each tenant, the busiest first, and one for each shared database's rest."""
    seconds = max(now.at - before.at, 0.001)
    rows = [_describe(each, before, now, seconds) for each in tenants]
    rows.sort(key=_busyness, reverse=True)
    empty = dict.fromkeys(rows[0]) if rows else dict.fromkeys(("id", "server", *COLUMNS))
    rest = [
        {**empty, "tenant": f"(no tenant, {database})", "connections": count, "active": 0}
        for database, count in sorted(now.sample.idle_by_database.items())
    ]
    return rows + rest


def rarely_reused(before: Sample, now: Sample) -> Iterator[str]:
    """Yield a sentence for each server on which many transactions begin with a new connection."""
    for server, total in sorted(now.transactions.items()):
        transactions = total - before.transactions[server]
        opened = now.opened[server] - before.opened[server]
        if transactions >= TRANSACTIONS_TO_JUDGE and opened > MOST_NEW_CONNECTIONS * transactions:
            yield (
                f"On {server}, {opened / transactions:.0%} of the transactions began with a new"
                " connection. docs/operations.md (Connections) says what to do."
            )


def _measure(tenants: Sequence[Listed], metrics: str | None) -> Moment:
    sample = sample_activity(tenants)
    served = ServedMetrics() if metrics is None else read_metrics(metrics)
    return Moment(time.monotonic(), sample, served)


def _describe(tenant: Listed, before: Moment, now: Moment, seconds: float) -> dict[str, Any]:
    tenant_id = tenant["id"]
    activity = now.sample.by_tenant[tenant_id]
    was, counters = before.counters_of(tenant_id), now.counters_of(tenant_id)
    rates = {
        # A counter that was not there before, or was reset, tells nothing yet.
        name: round((counters[name] - was[name]) / seconds, 1)
        for name in counters.keys() & was.keys()
        if counters[name] >= was[name]
    }
    longest = activity.longest_seconds
    busy_ms = rates.get("busy_ms")
    return {
        "tenant": tenant["slug"],
        "id": tenant_id,
        "tier": tenant["tier"],
        "server": tenant["server"],
        "connections": activity.connections,
        "active": activity.active,
        "waiting": activity.waiting,
        "longest_s": None if longest is None else round(longest, 1),
        "busy": None if busy_ms is None else round(busy_ms / 1000, 2),
        "threads": now.served.threads.get(tenant_id),
        **{column: rates.get(name) for column, name in RATES.items()},
    }


def _busyness(row: Mapping[str, Any]) -> tuple[float, ...]:
    names = ("waiting", "active", "busy", "requests_s", "transactions_s", "rows_read_s")
    return tuple(float(row[name] or 0) for name in (*names, "connections"))
