"""Measure many tenants on few workers, with connection budgets below and above the working set.

Each request reads one patient of a tenant drawn at random: with equal probability, or by Zipf's
law (the n-th tenant 1/n as often as the first). Each combination starts its own workers, which
first serve a tenth of the requests without being measured.
"""

import random
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import accumulate
from threading import Event, Thread
from typing import Any

import psutil  # type: ignore[import-untyped]
from uuid_utils.compat import uuid7

from benchmarks.installation import Installation, installation
from benchmarks.load import Load, Outcome, compose_request, run_load
from benchmarks.processes import WebServer, gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.seeding import fill
from trially.config import ROOT
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

PATIENTS = 20
THREADS = 8
LOAD_CONNECTIONS = 16
METRICS_TOKEN = "a token of the benchmarks"
DRAWS = ("uniform", "zipf")
SAMPLING_SECONDS = 0.05
METRICS_LAG_SECONDS = 1.2
"""A worker updates its connection metrics at most once a second, when it serves a request."""
UPDATING_REQUESTS = 60
"""Requests that make all workers update their metrics; each worker serves some of them."""
CHECKOUTS = re.compile(r'trially_connection_checkouts_total\{outcome="(\w+)",.*\} (\S+)')


@dataclass(frozen=True)
class Figures:
    """The results of one combination."""

    draw: str
    budget: int
    """Most open connections of each worker."""
    outcome: Outcome
    most_connections: int
    """Most simultaneous connections of all clients of the server."""
    worker_mb: list[float]
    checkouts: dict[str, float]

    @property
    def hit_rate(self) -> float:
        """Share of checkouts that found an idle connection of the tenant."""
        return self.checkouts["hits"] / (self.checkouts["hits"] + self.checkouts["misses"])


def main() -> None:
    parser = make_parser(__spec__.name, rounds=1, seconds=600)
    parser.add_argument(
        "--tenants", type=int, default=100, help="number of tenants (default: %(default)s)"
    )
    parser.add_argument("--tier", choices=[*Tier], default=Tier.DEDICATED_DATABASE)
    parser.add_argument(
        "--requests", type=int, default=10_000, help="number of requests (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="number of workers (default: %(default)s)"
    )
    parser.add_argument("--pooler", action="store_true", help="connect through PgBouncer")
    parser.add_argument(
        "--budgets",
        type=int,
        nargs="+",
        default=[16, 120],
        help="connections of each worker (default: below and above the working set)",
    )
    options = parser.parse_args()
    with installation() as installed:
        began = time.perf_counter()
        requests = make_tenants(installed, options.tenants, Tier(options.tier))
        seconds_to_make = time.perf_counter() - began
        with _pooler(installed) if options.pooler else nullcontext():
            results = [
                _measure(installed, _draw(requests, draw, options.requests), draw, budget, options)
                for _ in range(options.rounds)
                for budget in options.budgets
                for draw in DRAWS
            ]
    way = " through PgBouncer" if options.pooler else ""
    line = (
        f"fleet: {options.tenants} tenants ({options.tier}), {options.workers} workers{way}:"
        f" {'; '.join(map(_describe, results))}"
    )
    figures = {
        "seconds_to_make": seconds_to_make,
        "found": [{**asdict(one), "hit_rate": one.hit_rate} for one in results],
    }
    print_outcome(line, figures, as_json=options.json)


def make_tenants(installed: Installation, tenants: int, tier: Tier) -> list[str]:
    """Create the tenants, and return one request to each."""
    patient_ids = [uuid7() for _ in range(PATIENTS)]
    issuer = state_of(installed.app).dev_issuer
    requests = []
    with installed.app.app_context():
        for number in range(tenants):
            slug, subject = f"tenant-{number}", f"member|{number}"
            create_tenant(slug, f"Tenant {number}", tier=tier)
            fill(slug, [subject], patient_ids)
            token = issuer.issue_token(subject=subject, tenant=slug)
            path = f"/api/v1/patients/{patient_ids[number % PATIENTS]}"
            requests.append(compose_request("GET", path, token))
        for engine in db.engines.values():
            engine.dispose()  # close this process's connections, which do not count
    return requests


@contextmanager
def _pooler(installed: Installation) -> Iterator[None]:
    """Run the tests' PgBouncer for the workers, with at most two connections per database."""
    sys.path.insert(0, str(ROOT / "tests"))
    poolers = import_module("poolers")
    caps = {"default_pool_size": "2", "max_user_connections": "2"}
    with poolers.running_pooler(installed.app, **caps) as pooler:
        installed.environment["TRIALLY_POOLER_URL"] = pooler.url.render_as_string()
        yield


def _draw(requests: list[str], draw: str, number: int) -> list[str]:
    chance = random.Random(1)
    shares = [1 / place if draw == "zipf" else 1 for place in range(1, len(requests) + 1)]
    return chance.choices(requests, cum_weights=list(accumulate(shares)), k=number)


def _measure(
    installed: Installation, requests: list[str], draw: str, budget: int, options: Any
) -> Figures:
    with tempfile.TemporaryDirectory(prefix="trially-benchmark-metrics-") as folder:
        environment = {
            **installed.environment,
            "TRIALLY_CONNECTIONS_PER_SERVER": str(budget),
            "TRIALLY_METRICS_TOKEN": METRICS_TOKEN,
            "PROMETHEUS_MULTIPROC_DIR": folder,
        }
        app = "benchmarks.twin:trially_app()"
        with gunicorn(app, environment, workers=options.workers, threads=THREADS) as server:
            _load(server, requests[: len(requests) // 10], options.seconds)
            before = _read_checkouts(server)
            with installed.app.app_context(), _most_connections() as most:
                outcome = _load(server, requests, options.seconds)
            after = _read_checkouts(server)
            workers = psutil.Process(server.process_id).children()
            return Figures(
                draw=draw,
                budget=budget,
                outcome=outcome,
                most_connections=most[0],
                worker_mb=[worker.memory_info().rss / 1e6 for worker in workers],
                checkouts={name: after[name] - before.get(name, 0) for name in after},
            )


def _load(server: WebServer, requests: list[str], seconds: float) -> Outcome:
    return run_load(Load(server.port, requests, 200, seconds, LOAD_CONNECTIONS, most=len(requests)))


@contextmanager
def _most_connections() -> Iterator[list[int]]:
    """Yield a list whose only item is the most clients that were connected so far."""
    most, is_over = [0], Event()
    with server_access().administer() as raw:

        def watch() -> None:
            while not is_over.wait(SAMPLING_SECONDS):
                ((now,),) = execute(
                    raw,
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
                )
                most[0] = max(most[0], now)

        thread = Thread(target=watch)
        thread.start()
        try:
            yield most
        finally:
            is_over.set()
            thread.join()


def _read_checkouts(server: WebServer) -> dict[str, float]:
    """Return the number of checkouts of all workers so far, by outcome."""
    time.sleep(METRICS_LAG_SECONDS)
    for _ in range(UPDATING_REQUESTS):
        _get(server, "/livez", "none")
    return {name: float(value) for name, value in CHECKOUTS.findall(_get(server, "/metrics"))}


def _get(server: WebServer, path: str, token: str = METRICS_TOKEN) -> str:
    request = compose_request("GET", path, token).replace("Host", "Connection: close\r\nHost", 1)
    received = b""
    with socket.create_connection(("127.0.0.1", server.port)) as connected:
        connected.sendall(request.encode())
        while chunk := connected.recv(1 << 16):
            received += chunk
    return received.decode()


def _describe(figures: Figures) -> str:
    outcome = figures.outcome
    return (
        f"{figures.draw}, budget {figures.budget}: {outcome.requests / outcome.seconds:,.0f}/s,"
        f" p50/p95/p99 {outcome.median_ms:.0f}/{outcome.p95_ms:.0f}/{outcome.p99_ms:.0f} ms,"
        f" hits {figures.hit_rate:.2f}, at most {figures.most_connections} connections,"
        f" {max(figures.worker_mb):.0f} MB a worker"
    )


if __name__ == "__main__":
    main()
