"""Measure matching against its bars: patients of FHIR files, in a tenant of each kind.

The tenants are imported as customers import them, in the order of time, and nothing is vacuumed by
hand. In the pool, another tenant has patients with the same ids at the source and ordinals.
`--keep FOLDER` keeps the tenants, and uses them again.
"""

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.import_fhir import FOLDER, _measure_work
from benchmarks.installation import Installation, installation
from benchmarks.matching_bars import describe_size, rows_of
from benchmarks.matching_records import write_files
from benchmarks.report import make_parser, print_outcome
from trially.embedded_postgres.server import start_embedded_server
from trially.embedded_postgres.watcher import DATA, stop_server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

TIERS = {"dedicated": Tier.DEDICATED_DATABASE, "pooled": Tier.POOLED_ROWS}
NEIGHBOUR, NEIGHBOURS_SHARE = "neighbour", 10
VACUUM_SECONDS = 300.0


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=VACUUM_SECONDS)
    parser.add_argument("--patients", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--studies", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--tenants", nargs="+", choices=list(TIERS), default=list(TIERS))
    parser.add_argument("--keep", type=Path, help="folder of an installation to keep and to reuse")
    parser.add_argument(
        "--shared-buffers", default="128MB", help="memory of PostgreSQL (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of NDJSON files")
    options = parser.parse_args()
    if not (options.folder / "Observation.ndjson.gz").is_file():
        print(f"matching: skipped, because {options.folder} has no Observation.ndjson.gz.")
        return
    with installation(options.keep, {"shared_buffers": options.shared_buffers}) as installed:
        if "pooled" in options.tenants:
            _import(installed, NEIGHBOUR, options, options.patients // NEIGHBOURS_SHARE)
        figures = {name: _measure(installed, name, options) for name in options.tenants}
    lines = [
        describe_size(list(figures.values()), options.patients),
        "",
        "| measure | bar | " + " | ".join(figures) + " |",
        "|---|---|" + "---|" * len(figures),
        *rows_of(list(figures.values())),
    ]
    print_outcome("\n".join(lines), {"figures": figures}, as_json=options.json)


def _measure(installed: Installation, name: str, options: argparse.Namespace) -> dict[str, Any]:
    imported = _import(installed, name, options, options.patients)
    figures: dict[str, Any] = _run(
        installed.environment, name, "everything", options.rounds, options.studies
    )
    environment = _restart_without_caches(installed)
    figures["restarted"] = _run(environment, name, "cold")
    figures["import"] = imported
    measured = installed.settings.instance / f"{name}-measured.json"
    measured.write_text(json.dumps(figures))
    return figures


def _import(
    installed: Installation, name: str, options: argparse.Namespace, patients: int
) -> dict[str, Any]:
    """Import a tenant, unless it is kept, and count a study right after that."""
    instance = installed.settings.instance
    kept = instance / f"{name}-{patients}.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    with installed.app.app_context(), tempfile.TemporaryDirectory(dir=instance) as folder:
        write_files(options.folder, Path(folder), patients, dt.datetime.now(dt.UTC).date())
        create_tenant(name, name, tier=TIERS.get(name, Tier.POOLED_ROWS))
        figures = _measure_work(installed, name, Path(folder))
    figures["right_after"] = _run(installed.environment, name, "cold")
    figures["vacuum_seconds"] = _wait_for_vacuum(installed.environment, name, options.seconds)
    kept.write_text(json.dumps(figures))
    return figures


def _wait_for_vacuum(environment: dict[str, str], name: str, most_seconds: float) -> float | None:
    """Wait until autovacuum has come, and return how long it took; None if it has not come."""
    began = time.monotonic()
    while time.monotonic() - began < most_seconds:
        if _run(environment, name, "visible_share") > 0.95:
            return time.monotonic() - began
        time.sleep(5)
    return None


def _run(
    environment: dict[str, str], name: str, wanted: str, rounds: int = 1, studies: int = 0
) -> Any:
    program = [sys.executable, "-m", "benchmarks.matching_measures"]
    finished = subprocess.run(
        [*program, name, wanted, str(rounds), str(studies)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout)


def _restart_without_caches(installed: Installation) -> dict[str, str]:
    """Restart PostgreSQL, and let the kernel forget its files. Returns the new environment."""
    directory = (installed.settings.instance / EMBEDDED_DIRECTORY).resolve()
    stop_server(directory)
    for path in (directory / DATA).rglob("*"):
        if path.is_file():
            _forget_file(path)
    server = start_embedded_server(directory, settings=installed.settings.embedded_settings)
    url = server.url().render_as_string(hide_password=False)
    return {**installed.environment, "TRIALLY_DATABASE_URL": url}


def _forget_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
