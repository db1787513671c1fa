"""Compare requests to many tenants with requests to one tenant, on the same worker.

Bursts alternate between three kinds of load: all tenants with equal probability, all tenants by
Zipf's law, and one tenant only. Each burst is compared with the one-tenant burst of its round.
"""

import random
import statistics
from itertools import accumulate

import psutil  # type: ignore[import-untyped]

from benchmarks.fleet import make_tenants
from benchmarks.installation import installation
from benchmarks.load import Load, run_load
from benchmarks.processes import gunicorn
from benchmarks.report import make_parser, print_outcome
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
        rates: dict[str, list[float]] = {draw: [] for draw in draws}
        with gunicorn("benchmarks.twin:trially_app()", environment) as server:
            (worker,) = psutil.Process(server.process_id).children()
            memory_mb: dict[str, float] = {}
            for number in range(options.rounds + 1):
                for draw in sorted(draws, reverse=number % 2 == 0):
                    load = Load(server.port, draws[draw], 200, options.seconds, CONNECTIONS)
                    outcome = run_load(load)
                    if number:  # the first round warms up
                        rates[draw].append(outcome.requests / outcome.seconds)
                    memory_mb.setdefault(draw, worker.memory_info().rss / 1e6)
    ratios = {
        draw: statistics.median(
            many / one for many, one in zip(rates[draw], rates["one"], strict=True)
        )
        for draw in ("uniform", "zipf")
    }
    line = (
        f"crowd: {options.tenants} tenants ({options.tier}) on {options.budget} connections:"
        f" uniform {ratios['uniform']:.2f}, zipf {ratios['zipf']:.2f} of one tenant's"
        f" {statistics.median(rates['one']):,.0f}/s; {worker_mb(memory_mb)}"
    )
    print_outcome(
        line,
        {"bar": BAR, "ratios": ratios, "rates": rates, "memory_mb": memory_mb},
        as_json=options.json,
    )


def worker_mb(memory_mb: dict[str, float]) -> str:
    """Return a text with the worker's memory after its first bursts."""
    return f"worker {min(memory_mb.values()):.0f} to {max(memory_mb.values()):.0f} MB"


if __name__ == "__main__":
    main()
