"""Measure the bill of a month: `flask usage report` and `export` for `--tenants` pooled tenants.

Each round runs the commands as an operator does, with the start of Python. The catalog has the
month's days of all tenants, and as many of the month before. Then it measures what one request
adds: a thread adds to the sums of all tenants in turn.
"""

import datetime as dt
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from benchmarks.installation import Installation, installation
from benchmarks.report import make_parser, print_outcome
from trially.config import ROOT
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.usage.days import Month
from trially.usage.meters import Meter
from trially.usage.samples import UsageCounter

ADDITIONS = 200_000
FILL = """
INSERT INTO daily_usage_copy
    (tenant_id, day, meter, quantity, included, plan, quality, ended_at, counted_at)
SELECT tenant.id, day, meter, (random() * 10000)::bigint, 5000, 'standard', 'exact', day, now()
FROM tenant, unnest(CAST(:meters AS text[])) AS meter,
    generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS day
"""
AGE = "UPDATE tenant SET created_at = :first"


def main() -> None:
    parser = make_parser(__spec__.name, rounds=5, seconds=60)
    parser.add_argument("--tenants", type=int, default=200, help="tenants")
    options = parser.parse_args()
    month = _last_month()
    with installation() as installed:
        with installed.app.app_context():
            tenants = [
                create_tenant(f"billed-{number}", "Billed", tier=Tier.POOLED_ROWS).id
                for number in range(options.tenants)
            ]
            rows = _fill(month)
        reports = [
            _run(installed, options.tenants, "report", "--month", str(month), "--json")
            for _ in range(options.rounds)
        ]
        exports = [
            _run(installed, options.tenants, "export", "--month", str(month))
            for _ in range(options.rounds)
        ]
        addition_us = _measure_additions(installed.app, tenants)
    line = (
        f"usage: the bill of {options.tenants} tenants from {rows:,} rows in {_describe(reports)},"
        f" its events in {_describe(exports)}; a request adds {addition_us:.1f} µs"
    )
    figures = {"report_s": reports, "export_s": exports, "addition_us": addition_us}
    print_outcome(line, figures, as_json=options.json)


def _describe(runs: Sequence[tuple[float, float]]) -> str:
    """Return the time and the CPU of several runs of a command."""
    seconds, cpu = zip(*runs, strict=True)
    median, most = statistics.median(seconds), max(seconds)
    return f"{median:.1f} s ({most:.1f} at most, {statistics.median(cpu):.1f} s CPU)"


def _last_month() -> Month:
    first = Month.of(dt.datetime.now(dt.UTC).date()).first
    return Month.of(first - dt.timedelta(days=1))


def _fill(month: Month) -> int:
    """Store the days of a month and of the one before, and return how many rows the month has."""
    before = Month.of(month.first - dt.timedelta(days=1))
    meters = [meter.value for meter in Meter]
    with control_engine().begin() as catalog:
        catalog.execute(text(AGE), {"first": before.first})
        catalog.execute(text("UPDATE usage_start SET started_at = :first"), {"first": before.first})
        for each in (before, month):
            period = {"first": each.first, "last": each.last, "meters": meters}
            rows = catalog.execute(text(FILL), period).rowcount
    return int(rows)


def _run(installed: Installation, tenants: int, *words: str) -> tuple[float, float]:
    """Run a command, check that it prints all tenants, and return its seconds and its CPU."""
    started, before = time.perf_counter(), _cpu_of_children()
    printed = subprocess.run(
        [sys.executable, "-m", "flask", "usage", *words],
        cwd=ROOT,
        env=installed.environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    seconds, cpu = time.perf_counter() - started, _cpu_of_children() - before
    if "--json" in words:
        found = {each["tenant_id"] for each in json.loads(printed)}
    else:
        found = {json.loads(each)["subject"] for each in printed.splitlines()}
    assert len(found) == tenants
    return seconds, cpu


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measure_additions(app: Flask, tenants: Sequence[UUID]) -> float:
    """Return the CPU of one addition to the sums, in microseconds."""
    counter = UsageCounter(app, flush_seconds=300)
    started = time.process_time()
    for number in range(ADDITIONS):
        counter.add(
            tenants[number % len(tenants)], requests=1, database_seconds=0.002, egress_bytes=900
        )
    spent = time.process_time() - started
    counter.stop()
    return spent / ADDITIONS * 1_000_000


if __name__ == "__main__":
    main()
