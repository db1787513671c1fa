"""Measure the CPU time that the metrics of a request and of a slow statement take.

The metrics are in files, as of gunicorn's workers. A loop has warm caches: in service they take
some times as long, as `benchmarks.request_profile` shows.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

from benchmarks.report import make_parser, print_outcome

REQUESTS = 20_000
TENANTS = 10_000
STATEMENT = (
    "SELECT patient.id, patient.mrn FROM patient WHERE patient.tenant_id = %(tenant_id_1)s"
    " AND patient.site_id IN (%(site_id_1_1)s, %(site_id_1_2)s) ORDER BY patient.id LIMIT 50"
)


def main() -> None:
    options = make_parser(__spec__.name, rounds=7, seconds=1).parse_args()
    with tempfile.TemporaryDirectory(prefix="trially-benchmark-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        figures = _measure(options.rounds)
    line = (
        f"metrics of a request: {figures['all_us']:.1f} µs CPU, of which its tenant's"
        f" {figures['labelled_us']:.1f} µs ({figures['other_us']:.1f} µs as `other`,"
        f" {figures['error_us']:.1f} µs for an error); a slow statement"
        f" {figures['statement_us']:.0f} µs; {TENANTS:,} tenants are ranked in"
        f" {figures['rank_ms']:.1f} ms; /metrics takes {figures['render_ms']:.0f} ms"
    )
    print_outcome(line, figures, as_json=options.json)


def _measure(rounds: int) -> dict[str, float]:
    # Loaded late, because the metrics choose at import whether they are in files.
    from trially.observability.metrics import count_request
    from trially.observability.rendering import render
    from trially.observability.statement_texts import normalised, tenant_filter_of
    from trially.observability.tenant_metrics import count_tenant_request, labels
    from trially.recruiting.patients.model import Patient

    def count_all(tenant_id: UUID) -> None:
        count_request("GET", "/api/v1/patients", 200, 0.0012)
        count_tenant_request(tenant_id, 200, 0.0012)

    assert f"FROM {Patient.__tablename__} " in STATEMENT
    tenants = [uuid4() for _ in range(TENANTS)]
    labelled, others = tenants[: labels.limit], tenants[labels.limit :]
    figures = {
        "all_us": _microseconds(count_all, labelled, rounds),
        "labelled_us": _microseconds(
            lambda each: count_tenant_request(each, 200, 0.0012), labelled, rounds
        ),
        "error_us": _microseconds(
            lambda each: count_tenant_request(each, 500, 0.0012), labelled, rounds
        ),
        "other_us": _microseconds(
            lambda each: count_tenant_request(each, 200, 0.0012), others, rounds
        ),
        "statement_us": _microseconds(
            lambda text: tenant_filter_of(normalised(text)), [STATEMENT], rounds
        ),
    }
    labels._rank_at = 0
    figures["rank_ms"] = _cpu_seconds(labels.rank_if_due) * 1000
    figures["render_ms"] = min(_cpu_seconds(render) for _ in range(rounds)) * 1000
    return figures


def _microseconds(count: Callable[[Any], object], items: Sequence[Any], rounds: int) -> float:
    """Return the CPU time of a call with one of the items, in the fastest round."""

    def run() -> None:
        for _, item in zip(range(REQUESTS), cycle(items), strict=False):
            count(item)

    return min(_cpu_seconds(run) for _ in range(rounds)) / REQUESTS * 1e6


def _cpu_seconds(run: Callable[[], object]) -> float:
    begun = time.thread_time()
    run()
    return time.thread_time() - begun


if __name__ == "__main__":
    main()
