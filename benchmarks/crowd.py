"""Compare requests to many tenants with requests to one tenant, on the same worker.

Bursts alternate between three kinds of load: all tenants with equal probability, all tenants by
Zipf's law, and one tenant only. Each burst is compared with the one-tenant burst of its round.
"""

import random
import statistics
from dataclasses import asdict
from itertools import accumulate

import psutil  # type: ignore[import-untyped]

from benchmarks.fleet import make_tenants
from benchmarks.installation import installation
from benchmarks.load import Load
from benchmarks.processes import gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.requests import Sample, measure_burst
from trially.tenancy.catalog_choices import Tier

BAR = 0.90
CONNECTIONS = 4
DRAWN = 5_000


def main() -> None:
    parser = make_parser(__spec__.name, rounds=20, seconds=1.0)
    parser.add_argument(
        "--tenants", type=int, default=1_000, help="number of tenants (default: %(default)s)"
    )
    parser.add_argument("--tier", choices=[*Tier], default=Tier.POOLED_ROWS)
    parser.add_argument(
        "--budget", type=int, default=8, help="connections of the worker (default: 8)"
    )
    options = parser.parse_args()
    with installation() as installed:
        requests = make_tenants(installed, options.tenants, Tier(options.tier))
        chance = random.Random(1)
        zipf = list(accumulate(1 / place for place in range(1, len(requests) + 1)))
        draws = {
            "one": requests[:1],
            "uniform": chance.choices(requests, k=DRAWN),
            "zipf": chance.choices(requests, cum_weights=zipf, k=DRAWN),
        }
        environment = {
            **installed.environment,
            "TRIALLY_CONNECTIONS_PER_SERVER": str(options.budget),
        }
        samples: dict[str, list[Sample]] = {draw: [] for draw in draws}
        with gunicorn("benchmarks.twin:trially_app()", environment) as server:
            (worker,) = psutil.Process(server.process_id).children()
            memory_mb: dict[str, float] = {}
            for number in range(options.rounds + 1):
                for draw in sorted(draws, reverse=number % 2 == 0):
                    load = Load(server.port, draws[draw], 200, options.seconds, CONNECTIONS)
                    sample = measure_burst(load, server, installed.postmaster_id)
                    if number:  # the first round warms up
                        samples[draw].append(sample)
                    memory_mb.setdefault(draw, worker.memory_info().rss / 1e6)
    described = [_describe(draw, samples[draw], samples["one"]) for draw in ("uniform", "zipf")]
    line = (
        f"crowd: {options.tenants} tenants ({options.tier}) on {options.budget} connections, of one"
        f" tenant's: {'; '.join(described)}; {worker_mb(memory_mb)}"
    )
    figures = {
        "bar": BAR,
        "samples": {draw: [asdict(one) for one in many] for draw, many in samples.items()},
        "memory_mb": memory_mb,
    }
    print_outcome(line, figures, as_json=options.json)


def _describe(draw: str, samples: list[Sample], alone: list[Sample]) -> str:
    """Return a draw's ratios to the one-tenant bursts of the same rounds; above 1 is better."""
    pairs = list(zip(samples, alone, strict=True))
    cpu = statistics.median(one.cpu_us / many.cpu_us for many, one in pairs)
    rate = statistics.median(
        many.requests_per_second / one.requests_per_second for many, one in pairs
    )
    ours, of_one = (statistics.median(one.cpu_us for one in each) for each in (samples, alone))
    return f"{draw} CPU {cpu:.2f} ({ours:,.0f} and {of_one:,.0f} µs), requests/s {rate:.2f}"


def worker_mb(memory_mb: dict[str, float]) -> str:
    """Return a text with the worker's memory after its first bursts."""
    return f"worker {min(memory_mb.values()):.0f} to {max(memory_mb.values()):.0f} MB"


if __name__ == "__main__":
    main()
