"""Measure `flask doctor` on many tenants of each tier. Each round examines the whole fleet once."""

import statistics
import time
from collections import Counter
from typing import Any

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.database.session import db
from trially.doctor.examining import CONNECTIONS, doctor_of, run_in_parallel
from trially.doctor.findings import Level
from trially.doctor.fleet import read_fleet
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.provisioning import create_tenant


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=600)
    parser.add_argument("--dedicated", type=int, default=100, help="tenants with a database")
    parser.add_argument("--schemas", type=int, default=100, help="tenants with a schema")
    parser.add_argument("--pooled", type=int, default=1000, help="tenants in shared tables")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    options = parser.parse_args()
    numbers = {
        Tier.DEDICATED_DATABASE: options.dedicated,
        Tier.OWN_SCHEMA: options.schemas,
        Tier.POOLED_ROWS: options.pooled,
    }
    with installation() as installed, installed.app.app_context():
        for tier, number in numbers.items():
            for each in range(number):
                create_tenant(f"{tier.replace('_', '-')}-{each}", "Tenant", tier=tier)
        for engine in db.engines.values():
            engine.dispose()
        rounds = [_measure(options.connections) for _ in range(options.rounds)]
    middle = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    tenants = ", ".join(f"{number} {tier}" for tier, number in numbers.items())
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in middle.items())
    line = f"doctor: {tenants}, {options.connections} connections: {seconds}"
    print_outcome(line, {"rounds": rounds}, as_json=options.json)


def _measure(connections: int) -> dict[str, float]:
    """Return the seconds of each part, and of the whole run."""
    seconds: dict[str, float] = {}
    began = time.perf_counter()
    fleet = read_fleet()
    levels: Counter[Level] = Counter()

    def run(name: str, examinations: list[Any]) -> None:
        start = time.perf_counter()
        for findings in run_in_parallel(examinations, connections):
            levels.update(finding.level for finding in findings)
        seconds[name] = time.perf_counter() - start

    with doctor_of(fleet) as doctor:
        whole = list(doctor.examinations())
        databases = whole[-len(fleet.databases) :]
        run("servers and references", whole[: -len(fleet.databases)])
        for tier in Tier:
            of_tier = [
                examine
                for examine, database in zip(databases, fleet.databases, strict=True)
                if database.tier.tier == tier
            ]
            if of_tier:
                run(tier, of_tier)
    seconds["in all"] = time.perf_counter() - began
    assert levels[Level.ERROR] == 0
    return seconds


if __name__ == "__main__":
    main()
