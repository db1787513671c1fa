"""Compare our worker class with gunicorn's gthread and other servers, on one app in one run.

trially does not require granian or gunicorn_h1c. To compare them too, install them in a folder:

    python -m pip install --no-deps --target /tmp/servers granian gunicorn_h1c
    python -m benchmarks.servers --folder /tmp/servers
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.installation import installation
from benchmarks.processes import WebServer, free_port, gunicorn, serving
from benchmarks.report import make_parser, print_outcome
from benchmarks.requests import Bench, compare
from benchmarks.seeding import seed

APP = "benchmarks.twin:trially_app"
AS_DEPLOYED = "as deployed"
GTHREAD = "gthread"
PARSING_IN_C = "h1c"
GRANIAN = "granian"


def main() -> None:
    parser = make_parser(__spec__.name, rounds=25, seconds=0.5)
    parser.add_argument("--folder", type=Path, help="folder of granian and gunicorn_h1c")
    parser.add_argument(
        "--workers", type=int, default=1, help="number of workers (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=4, help="threads of a worker (default: %(default)s)"
    )
    options = parser.parse_args()
    workers, threads = options.workers, options.threads
    for package in ("granian", "gunicorn_h1c") if options.folder else ():
        if not (options.folder / package).is_dir():
            raise SystemExit(f"{options.folder} does not contain {package}.\n\n{__doc__}")
    with installation() as installed, ExitStack() as running:
        seeded = seed(installed.app, 1)
        plain = installed.environment
        size: dict[str, Any] = {"workers": workers, "threads": threads}
        contenders = {
            AS_DEPLOYED: gunicorn(f"{APP}()", plain, **size),
            GTHREAD: gunicorn(f"{APP}()", plain, worker_class="gthread", **size),
        }
        if options.folder:
            beside = {
                **plain,
                "PYTHONPATH": os.pathsep.join([str(options.folder), str(Path.cwd())]),
            }
            contenders[PARSING_IN_C] = gunicorn(f"{APP}()", beside, **size)
            contenders[GRANIAN] = granian(beside, workers, threads)
        servers = {name: running.enter_context(one) for name, one in contenders.items()}
        samples = Bench(installed, seeded, servers).run(options.rounds, options.seconds)
    compared = {
        name: {kind: compare(of_kind, name, AS_DEPLOYED) for kind, of_kind in samples.items()}
        for name in contenders
        if name != AS_DEPLOYED
    }
    parts = [
        f"{name} "
        + " / ".join(
            f"{figures['ratio']:.2f} (CPU {1 / figures['cpu_ratio']:.2f},"
            f" p99 {figures[name]['p99_ms'] / figures[AS_DEPLOYED]['p99_ms']:.2f})"
            for figures in by_kind.values()
        )
        for name, by_kind in compared.items()
    ]
    print_outcome(
        f"servers: {', '.join(parts)} of the deployed worker's requests/s,"
        f" for {' / '.join(samples)}, {workers} workers of {threads} threads",
        {"workers": workers, "threads": threads, **compared},
        as_json=options.json,
    )


@contextmanager
def granian(environment: dict[str, str], workers: int, threads: int) -> Iterator[WebServer]:
    """Serve the app with granian's WSGI workers on a free port."""
    port = free_port()
    command = [sys.executable, "-m", "granian", APP, "--factory", "--interface", "wsgi"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--http", "1", "--no-ws"]
    command += ["--workers", str(workers), "--blocking-threads", str(threads)]
    command += ["--log-level", "error"]
    with serving(command, port, environment) as server:
        yield server


if __name__ == "__main__":
    main()
