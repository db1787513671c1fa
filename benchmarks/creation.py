"""Measure `create_tenant` in each tier, from ready tenants and without them."""

import statistics
import time

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.state import app_state
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.filling import fill_ready
from trially.tenancy.lifecycle.provisioning import create_tenant

BARS_MS = {Tier.DEDICATED_DATABASE: 15, Tier.OWN_SCHEMA: 10, Tier.POOLED_ROWS: 5}


def main() -> None:
    options = make_parser(__spec__.name, rounds=20, seconds=300).parse_args()
    figures = {}
    # The server is deleted at the end, and all databases with it.
    with installation() as installed, installed.app.app_context():
        for tier, bar in BARS_MS.items():
            create_tenant(f"warm-up-{bar}", "Warm-up", tier=tier)
            without = _measure(f"plain-{bar}", tier, options.rounds)
            app_state().ready_tenants = {tier: options.rounds + 1}
            began = time.perf_counter()
            fill_ready()
            filled = (time.perf_counter() - began) / (options.rounds + 1) * 1000
            create_tenant(f"first-{bar}", "First", tier=tier)
            ready = _measure(f"ready-{bar}", tier, options.rounds)
            figures[tier.value] = {
                "bar_ms": bar,
                "ready_ms": statistics.median(ready),
                "slowest_ready_ms": max(ready),
                "without_ms": statistics.median(without),
                "filling_ms": filled,
            }
    line = "; ".join(
        f"{tier}: {each['ready_ms']:.1f} ms from ready ones (slowest"
        f" {each['slowest_ready_ms']:.1f}, bar {each['bar_ms']}), {each['without_ms']:.1f} ms"
        f" without, {each['filling_ms']:.1f} ms to make one ready"
        for tier, each in figures.items()
    )
    print_outcome(
        f"create tenant, medians of {options.rounds}: {line}", figures, as_json=options.json
    )


def _measure(name: str, tier: Tier, rounds: int) -> list[float]:
    """Return how many milliseconds each of some new tenants took."""
    taken = []
    for number in range(rounds):
        began = time.perf_counter()
        create_tenant(f"{name}-{number}", f"Tenant {number}", tier=tier)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


if __name__ == "__main__":
    main()
