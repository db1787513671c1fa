"""What several processes have counted is one answer, with the labels that any of them has."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

from trially.config import ROOT

BUSY, QUIET, FORMER = (UUID(int=number) for number in (1, 2, 3))

WORKER = """
import sys
from uuid import UUID
from trially.observability import tenant_metrics
tenant_metrics.labels.configure(1)
for number in map(int, sys.argv[1:]):
    tenant_metrics.count_tenant_request(UUID(int=number), 500, 0.02)
    tenant_metrics.labels._rank_at = 0
    tenant_metrics.labels.rank_if_due()
"""
RENDER = """
from trially.observability.rendering import render
print(render()[0].decode())
"""


def test_counts_are_added_and_lost_labels_left_out(tmp_path: Path) -> None:
    run(tmp_path, WORKER, *[1] * 4)
    run(tmp_path, WORKER, *[1] * 3, 2)
    run(tmp_path, WORKER, 3, *[2] * 8)

    lines = run(tmp_path, RENDER).splitlines()

    def shown(name: str, **labels: object) -> str:
        inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
        [line] = [each for each in lines if each.startswith(f"{name}{{{inside}}} ")]
        return line.rpartition(" ")[2]

    assert shown("trially_tenant_requests_total", tenant=BUSY) == "7.0"
    assert shown("trially_tenant_requests_total", tenant=QUIET) == "7.0"
    assert shown("trially_tenant_requests_total", tenant="other") == "2.0"
    assert shown("trially_tenant_errors_total", status="5xx", tenant=BUSY) == "7.0"
    assert shown("trially_tenant_request_seconds_bucket", le="0.025", tenant=BUSY) == "7.0"
    assert shown("trially_tenant_request_seconds_bucket", le="0.01", tenant=BUSY) == "0.0"
    assert shown("trially_tenant_labelled", tenant=QUIET) == "1.0"
    assert not [line for line in lines if str(FORMER) in line]


def run(folder: Path, program: str, *arguments: int) -> str:
    """Run a program as one of the processes that share a folder of metrics."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT, env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
