"""Describe a load: a line while it runs, and at the end tables and the verdict."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from trially.demo.load.findings import FindingKind, Verdict
from trially.demo.load.running import Load
from trially.demo.load.traffic import Kind, Traffic, Wait, percentile
from trially.terminal import plural

SHOWN_FINDINGS = 10
MS = 1000

TIMING_COLUMNS = (
    *("tenant", "request", "answered", "repeated"),
    *("p50_ms", "p95_ms", "p99_ms", "max_ms"),
)
ERROR_COLUMNS = ("tenant", "error", "attempts")


def describe_load(load: Load, verdict: Verdict, seconds: float) -> dict[str, Any]:
    """Return what `flask demo load` prints as JSON. Waits are in milliseconds."""
    return {
        "seconds": round(seconds, 1),
        "requests": list_timings(load.traffic),
        "errors": list_errors(load.traffic),
        "repeated": load.traffic.repeated(),
        "longest_wait": describe_wait(load.traffic.longest),
        "acknowledged": verdict.acknowledged,
        "compared": verdict.compared,
        **{amiss.value: verdict.amiss.get(amiss.value, 0) for amiss in FindingKind},
        "findings": [
            {"amiss": each.amiss.value, "tenant": each.tenant, "what": each.what}
            for each in verdict.findings
        ],
    }


def list_timings(traffic: Traffic) -> list[dict[str, Any]]:
    """Return a row for each kind of request of each tenant."""
    return [
        {
            "tenant": tenant,
            "request": kind.value,
            "answered": len(timings.seconds),
            "repeated": timings.repeated,
            "p50_ms": _ms(percentile(timings.seconds, 0.5)),
            "p95_ms": _ms(percentile(timings.seconds, 0.95)),
            "p99_ms": _ms(percentile(timings.seconds, 0.99)),
            "max_ms": _ms(max(timings.seconds)),
        }
        for tenant in dict.fromkeys(tenant for tenant, _ in traffic.timings)
        for kind in Kind
        if (timings := traffic.timings.get((tenant, kind)))
    ]


def list_errors(traffic: Traffic) -> list[dict[str, Any]]:
    """Return a row for each error, with the number of attempts that met it."""
    return [
        {"tenant": tenant, "error": error, "attempts": number}
        for (tenant, error), number in traffic.errors.most_common()
    ]


def describe_wait(wait: Wait | None) -> dict[str, Any] | None:
    """Return a wait with its time of day in UTC."""
    if wait is None:
        return None
    began_at = dt.datetime.fromtimestamp(wait.began_at, dt.UTC)
    return {
        "tenant": wait.tenant,
        "request": wait.kind.value,
        "began_at": began_at.isoformat(timespec="milliseconds"),
        "ms": _ms(wait.seconds),
    }


def format_verdict(load: Load, verdict: Verdict) -> Iterator[str]:
    """Yield the lines below the tables."""
    if wait := load.traffic.longest:
        began_at = dt.datetime.fromtimestamp(wait.began_at, dt.UTC)
        time_of_day = began_at.time().isoformat(timespec="milliseconds")
        request = f"{wait.kind.value} in {wait.tenant}"
        yield f"Longest wait: {_ms(wait.seconds)} ms ({request}), from {time_of_day} UTC on."
    yield (
        f"Acknowledged: {plural(verdict.acknowledged, 'write')}."
        f" Read back: {plural(verdict.compared, 'record')}."
    )
    counts = [f"{verdict.amiss.get(amiss.value, 0)} {amiss.value}" for amiss in FindingKind]
    yield f"Found: {', '.join(counts)}."
    for finding in verdict.findings[:SHOWN_FINDINGS]:
        yield f"  {finding.amiss.value} in {finding.tenant}: {finding.what}"
    if (left := len(verdict.findings) - SHOWN_FINDINGS) > 0:
        yield f"  … and {left} more; --json lists all."


def format_progress(load: Load, seconds: float) -> str:
    """Return one line about a load that runs."""
    parts = [
        f"{seconds:.0f} s",
        plural(load.traffic.count(), "answer"),
        f"{plural(load.acknowledged(), 'write')} acknowledged",
        f"{load.traffic.repeated()} repeated",
        f"{len(load.findings)} amiss",
    ]
    if load.traffic.longest:
        parts.append(f"longest wait {_ms(load.traffic.longest.seconds)} ms")
    parts += [f"import {each.done}/{each.total}" for each in load.importers if each.total]
    return ", ".join(parts)


def _ms(seconds: float) -> float:
    return round(seconds * MS, 1)
