"""Compare trially with the twin: read one patient, list 50, create one."""

import datetime as dt
import hashlib
import json
import os
import statistics
from dataclasses import asdict, dataclass
from itertools import count, cycle, islice
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.installation import Installation, installation
from benchmarks.load import Load, compose_request, run_load
from benchmarks.processes import WebServer, cpu_seconds, gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.seeding import Seeded, seed
from trially.tenancy.catalog_choices import Tier

BARS = {"read one": 0.90, "list 50": 0.95, "create": 0.95}
STATUSES = {"read one": 200, "list 50": 200, "create": 201}
CONNECTIONS = 4
WARM_UP_SECONDS = 1.0
PATH = "/api/v1/patients"
CREATED_IN_A_BURST = 2_000


@dataclass(frozen=True)
class Sample:
    """The results of one burst; times are per request."""

    requests_per_second: float
    application_us: float
    postgres_us: float
    client_us: float
    median_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def cpu_us(self) -> float:
        """The CPU of the application and of PostgreSQL."""
        return self.application_us + self.postgres_us


def main() -> None:
    parser = make_parser(__spec__.name, rounds=25, seconds=0.5)
    parser.add_argument(
        "--tenants", type=int, default=1, help="number of tenants (default: %(default)s)"
    )
    parser.add_argument("--tier", choices=[*Tier], default=Tier.DEDICATED_DATABASE)
    parser.add_argument(
        "--pin",
        action="store_true",
        help="run web servers on core 0, and the client and PostgreSQL on core 1",
    )
    options = parser.parse_args()
    with installation() as installed:
        seeded = seed(installed.app, options.tenants, Tier(options.tier))
        if options.pin:
            _pin(installed)
        cores = {0} if options.pin else None
        with (
            gunicorn("benchmarks.twin:trially_app()", installed.environment, cores) as trially,
            gunicorn("benchmarks.twin:twin_app()", installed.environment, cores) as twin,
        ):
            servers = {"trially": trially, "twin": twin}
            bench = Bench(installed, seeded, servers, 1 if options.pin else None)
            samples = bench.run(options.rounds, options.seconds)
    summary = {kind: compare(of_kind, "trially", "twin") for kind, of_kind in samples.items()}
    figures = {
        "bars": BARS,
        "tenants": options.tenants,
        "pinned": options.pin,
        **summary,
    }
    print_outcome(_compose_line(summary, options.tenants), figures, as_json=options.json)


class Bench:
    """Loads servers in turn, with each kind of request."""

    def __init__(
        self,
        installed: Installation,
        seeded: Seeded,
        servers: dict[str, WebServer],
        client_core: int | None = None,
    ) -> None:
        self._postmaster = installed.postmaster_id
        self._servers = servers
        self._requests = _compose_requests(seeded)
        self._core = client_core
        self._tokens = seeded.tokens
        self._persons = count()

    def run(self, rounds: int, seconds: float) -> dict[str, dict[str, list[Sample]]]:
        """Return the samples of each kind and server."""
        for kind in STATUSES:
            for name in self._servers:
                self._burst(kind, name, WARM_UP_SECONDS)
        samples: dict[str, dict[str, list[Sample]]] = {
            kind: {name: [] for name in self._servers} for kind in STATUSES
        }
        for number in range(rounds):
            # The order alternates, so that no server always has the warmer caches.
            names = list(self._servers) if number % 2 else list(reversed(self._servers))
            for kind in STATUSES:
                for name in names:
                    samples[kind][name].append(self._burst(kind, name, seconds))
        return samples

    def _burst(self, kind: str, name: str, seconds: float) -> Sample:
        server = self._servers[name]
        load = Load(
            port=server.port,
            requests=self._creations() if kind == "create" else self._requests[kind],
            status=STATUSES[kind],
            seconds=seconds,
            connections=CONNECTIONS,
            core=self._core,
        )
        return measure_burst(load, server, self._postmaster)

    def _creations(self) -> list[str]:
        """Return requests that create persons whom no other burst creates."""
        return [
            compose_request("POST", PATH, token, json.dumps(new_patient(next(self._persons))))
            for token in islice(cycle(self._tokens), CREATED_IN_A_BURST)
        ]


def measure_burst(load: Load, server: WebServer, postmaster_id: int) -> Sample:
    """Load a server, and return what that cost it and PostgreSQL."""
    before = cpu_seconds(server.process_id), cpu_seconds(postmaster_id)
    outcome = run_load(load)
    after = cpu_seconds(server.process_id), cpu_seconds(postmaster_id)
    us_each = 1e6 / outcome.requests
    return Sample(
        requests_per_second=outcome.requests / outcome.seconds,
        application_us=(after[0] - before[0]) * us_each,
        postgres_us=(after[1] - before[1]) * us_each,
        client_us=outcome.client_cpu_seconds * us_each,
        median_ms=outcome.median_ms,
        p95_ms=outcome.p95_ms,
        p99_ms=outcome.p99_ms,
    )


def compare(samples: dict[str, list[Sample]], ours: str, theirs: str) -> dict[str, Any]:
    """Return each server's medians, and the ratios of `ours` to `theirs`.

    `ratio` is that of requests per second. `cpu_ratio` is the CPU of `theirs` per request divided
    by that of `ours`, so that more than 1 favours `ours` in both.
    """
    medians: dict[str, dict[str, float]] = {
        name: {
            field: statistics.median(getattr(sample, field) for sample in of_server)
            for field in Sample.__annotations__
        }
        for name, of_server in samples.items()
    }
    # Each burst is compared with its neighbour, because the machine's speed drifts over time.
    pairs = list(zip(samples[ours], samples[theirs], strict=True))
    return {
        **medians,
        "ratio": statistics.median(
            one.requests_per_second / other.requests_per_second for one, other in pairs
        ),
        "cpu_ratio": statistics.median(
            (other.application_us + other.postgres_us) / (one.application_us + one.postgres_us)
            for one, other in pairs
        ),
        "samples": {name: [asdict(one) for one in many] for name, many in samples.items()},
    }


def _compose_requests(seeded: Seeded) -> dict[str, list[str]]:
    tokens = seeded.tokens
    tokens_in_turn = [tokens[index % len(tokens)] for index in range(len(seeded.patient_ids))]
    return {
        "read one": [
            compose_request("GET", f"{PATH}/{patient_id}", token)
            for token, patient_id in zip(tokens_in_turn, seeded.patient_ids, strict=True)
        ],
        "list 50": [compose_request("GET", f"{PATH}?limit=50", token) for token in tokens],
    }


def new_patient(number: int) -> dict[str, Any]:
    """Return a person whose name and birth date are like those of few others."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    name = "".join(chr(ord("a") + int(digit, 16)) for digit in digest)
    born = dt.date(1930, 1, 1) + dt.timedelta(days=int(digest[:8], 16) % 30_000)
    return {
        "mrn": f"NEW-{digest[:12]}",
        "given_name": name[:7].title(),
        "family_name": name[7:16].title(),
        "birth_date": born.isoformat(),
        "sex": "female",
        "phone": f"+1 {int(digest[:10], 16):013d}",
        "address": {"line": "1 Main Street", "city": "Springfield", "country": "US"},
    }


def _cpu(medians: dict[str, float]) -> float:
    return medians["application_us"] + medians["postgres_us"]


def _compose_line(summary: dict[str, dict[str, Any]], tenants: int) -> str:
    parts = []
    for kind, figures in summary.items():
        ours, theirs = figures["trially"], figures["twin"]
        parts.append(
            f"{kind} {figures['ratio']:.2f} ({ours['requests_per_second']:,.0f}/s,"
            f" CPU {figures['cpu_ratio']:.2f}: {_cpu(ours):,.0f} µs against {_cpu(theirs):,.0f})"
        )
    of_tenants = "" if tenants == 1 else f", {tenants} tenants"
    return f"requests: {', '.join(parts)} of the twin{of_tenants}"


def _pin(installed: Installation) -> None:
    postmaster = psutil.Process(installed.postmaster_id)
    for process in (postmaster, *postmaster.children()):
        os.sched_setaffinity(process.pid, {1})


if __name__ == "__main__":
    main()
