"""Import the observations of 615 synthetic patients, ten copies of them, and all their records."""

import argparse
import gc
import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.installation import Installation, installation, settings_of_environment
from benchmarks.processes import cpu_seconds
from benchmarks.report import make_parser, print_outcome
from trially.config import ROOT

FOLDER = ROOT.parent / "shared" / "data" / "fhir" / "synthea_615_ndjson"
BAR = 10_000
"""Observations a second."""

MIXED_BAR = 6_000
"""Resources of all types a second."""

SOURCE = "synthea"


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=240)
    parser.add_argument(
        "--copies", type=int, default=10, help="copies of the input (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of NDJSON files")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(_work(*options.work)))
        return
    if not (options.folder / "Observation.ndjson.gz").is_file():
        print(f"import fhir: skipped, because {options.folder} has no Observation.ndjson.gz.")
        return
    with installation() as installed:
        once = [
            _import(installed, f"once-{number}", options.folder, None)
            for number in range(options.rounds)
        ]
        once.sort(key=lambda figures: float(figures["seconds"]))
        middle = once[len(once) // 2]
        longest = options.seconds * middle["resources"] / middle["seconds"]
        copies = min(options.copies, int(longest / middle["resources"]))
        many = _import_copies(installed, options.folder, copies) if copies > 1 else None
        mixed = [
            _import_all(installed, f"mixed-{number}", options.folder)
            for number in range(options.rounds)
        ]
        mixed.sort(key=lambda figures: float(figures["seconds"]))
    print_outcome(
        f"{_compose_line(middle, many, copies)}; all types {_describe(mixed[len(mixed) // 2])}",
        {
            "bar": BAR,
            "mixed_bar": MIXED_BAR,
            "once": once,
            "copies": copies,
            "many": many,
            "mixed": mixed,
        },
        as_json=options.json,
    )


def _compose_line(once: dict[str, Any], many: dict[str, Any] | None, copies: int) -> str:
    line = f"import fhir: observations {_describe(once)}"
    if many is None:
        return line
    return f"{line}; {copies} times the input {_rate(many):,.0f}/s, {many['peak_mb']:.0f} MB"


def _describe(figures: dict[str, Any]) -> str:
    seconds = figures["application_seconds"] + figures["postgres_seconds"]
    cpu = seconds / figures["resources"] * 1e6
    return (
        f"{_rate(figures):,.0f}/s ({figures['resources']:,}, {cpu:.0f} µs CPU each),"
        f" {figures['peak_mb']:.0f} MB"
    )


def _rate(figures: dict[str, Any]) -> float:
    return float(figures["resources"] / figures["seconds"])


def _import_copies(installed: Installation, folder: Path, copies: int) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix="-Observation.ndjson.gz") as file:
        _multiply(folder / "Observation.ndjson.gz", Path(file.name), copies)
        return _import(installed, "many", folder, Path(file.name))


def _multiply(path: Path, target: Path, copies: int) -> None:
    """Write a file's observations several times, each time with different ids."""
    with gzip.open(target, "wb", compresslevel=1) as written:
        for copy in range(copies):
            with gzip.open(path, "rb") as lines:
                prefix = b'\\1"id":"%d-' % copy
                for line in lines:
                    written.write(re.sub(rb'^(\{"resourceType":"\w+",)"id":"', prefix, line))


def _import(
    installed: Installation, slug: str, folder: Path, observations: Path | None
) -> dict[str, Any]:
    _create_tenant(installed, slug)
    _run_work(installed, slug, folder / "Patient.ndjson.gz")
    return _measure_work(installed, slug, observations or folder / "Observation.ndjson.gz")


def _import_all(installed: Installation, slug: str, folder: Path) -> dict[str, Any]:
    _create_tenant(installed, slug)
    return _measure_work(installed, slug, folder)


def _create_tenant(installed: Installation, slug: str) -> None:
    # Imported here, so that the worker processes do not load it.
    from trially.tenancy.lifecycle.provisioning import create_tenant

    with installed.app.app_context():
        create_tenant(slug, slug)


def _measure_work(installed: Installation, slug: str, path: Path) -> dict[str, Any]:
    before = cpu_seconds(installed.postmaster_id)
    figures = _run_work(installed, slug, path)
    figures["postgres_seconds"] = cpu_seconds(installed.postmaster_id) - before
    return figures


def _run_work(installed: Installation, slug: str, path: Path) -> dict[str, Any]:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.import_fhir", "--work", slug, str(path)],
        env=installed.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(finished.stdout)
    return figures


def _work(slug: str, path: str) -> dict[str, Any]:
    """Import one file in this process, and return the figures."""
    from trially import create_app
    from trially.recruiting.imports.reading.source_files import find_source_files
    from trially.recruiting.imports.running import fingerprint_of, run_import
    from trially.tenancy.context import tenant_context

    app = create_app(settings_of_environment())
    gc.freeze()  # as workers and commands do at their start
    source_files = find_source_files([Path(path)])
    with app.app_context(), tenant_context(slug):
        before_mb, began = _peak_mb(), time.perf_counter()
        cpu = time.process_time()
        job = run_import(source_files, source=SOURCE, fingerprint=fingerprint_of(source_files))
        seconds = time.perf_counter() - began
    assert job["state"] == "done"
    assert not job["error_count"], job
    return {
        "resources": sum(counts["read"] for counts in job["counts"].values()),
        "new": sum(counts["new"] for counts in job["counts"].values()),
        "seconds": seconds,
        "application_seconds": time.process_time() - cpu,
        "started_mb": before_mb,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """Return the peak memory of this program in MB.

    `getrusage` is not used: its peak includes the size of the parent process at the fork.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
