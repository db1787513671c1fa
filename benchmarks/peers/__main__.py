"""Compare trially with conventional apps and with its peers: read one, list 50, create one.

All apps run on one PostgreSQL with the same patients. Short bursts of load take turns, and each
burst is compared with the yardstick's burst of the same kind in the same round.
"""

import os
import platform
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.installation import Installation, installation
from benchmarks.peers.comparing import Row, table_of
from benchmarks.peers.contenders import (
    PEERS,
    TIERS,
    YARDSTICK,
    Contender,
    conventional_apps,
    trially_apps,
)
from benchmarks.peers.environment import EnvironmentMissingError, build_environment, versions_of
from benchmarks.peers.measuring import Bursts, Measured, measure
from benchmarks.peers.populating import make_population, populate_trially
from benchmarks.report import make_parser, print_outcome
from benchmarks.requests import CONNECTIONS
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

POSTGRES_SETTINGS = {"max_connections": "1000"}
PACKAGES = ("django", "django-tenants", "fastapi", "fastapi-tenancy", "sqlalchemy", "uvicorn")


def main() -> None:
    parser = make_parser("benchmarks.peers", rounds=8, seconds=0.4)
    parser.add_argument(
        "--tenants",
        type=int,
        nargs="+",
        default=[1, 100],
        help="numbers of tenants (default: 1 and 100)",
    )
    parser.add_argument(
        "--many-rounds",
        type=int,
        default=4,
        help="number of measurements with more than one tenant (default: %(default)s)",
    )
    parser.add_argument(
        "--many-seconds",
        type=float,
        default=5.0,
        help="length of a measurement with more than one tenant (default: %(default)s)",
    )
    parser.add_argument(
        "--patients", type=int, default=200, help="patients of a tenant (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", help="words in the names of the apps to compare")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    with installation(postgres_settings=POSTGRES_SETTINGS) as installed:
        contenders, skipped = _prepare(installed, options)
        measured = [
            measure(installed, contenders, tenants, _bursts(options, tenants))
            for tenants in options.tenants
        ]
        machine = _describe_machine(installed, load_before)
    rows = [row for one in measured for row in one.rows]
    method = (
        f"{options.rounds} rounds of {options.seconds} s with one tenant, {options.many_rounds} of"
        f" {options.many_seconds} s with more, {CONNECTIONS} connections of the client,"
        f" {options.patients} patients a tenant. {machine}"
    )
    lines = [*table_of(rows, YARDSTICK), "", *_remarks(rows, contenders, skipped), "", method]
    print_outcome("\n".join(lines), _to_json(rows, measured), as_json=options.json)


def _bursts(options: Any, tenants: int) -> Bursts:
    if tenants == 1:
        return Bursts(options.rounds, options.seconds)
    return Bursts(options.many_rounds, options.many_seconds)


def _remarks(rows: list[Row], contenders: list[Contender], skipped: dict[str, str]) -> list[str]:
    """Return a line of a list for each app."""
    measured = {row.app for row in rows}
    return [
        *(
            f"- **{one.name}** ({one.served_by}) leaves out {one.leaves_out}."
            for one in contenders
            if one.name in measured
        ),
        *(f"- **{name}** was not measured: {reason}" for name, reason in skipped.items()),
    ]


def _prepare(installed: Installation, options: Any) -> tuple[list[Contender], dict[str, str]]:
    """Return the apps with their tenants, and why others are missing."""
    population = make_population(max(options.tenants), options.patients)

    def is_asked(name: str) -> bool:
        return name == YARDSTICK or not options.only or any(word in name for word in options.only)

    _say("Creating trially's tenants …")
    populate_trially(
        installed, [tier for name, tier in TIERS.items() if is_asked(name)], population
    )
    contenders = [*trially_apps(installed, population), *conventional_apps(installed, population)]
    skipped = {}
    for name, prepare in PEERS.items():
        if not is_asked(name):
            continue
        _say(f"Creating the tenants of {name} …")
        try:
            build_environment()
            contenders += prepare(installed, population)
        except EnvironmentMissingError as error:
            skipped[name] = str(error)
    return [one for one in contenders if is_asked(one.name)], skipped


def _describe_machine(installed: Installation, load_before: float) -> str:
    with installed.app.app_context(), server_access().administer() as raw:
        ((postgres,),) = execute(raw, "SHOW server_version")
    return (
        f"{os.cpu_count()} cores, load average {load_before:.1f} at the start and"
        f" {os.getloadavg()[0]:.1f} at the end; Python {platform.python_version()},"
        f" PostgreSQL {postgres}, {', '.join(versions_of(PACKAGES))}."
    )


def _to_json(rows: list[Row], measured: list[Measured]) -> dict[str, Any]:
    return {
        "rows": [asdict(row) for row in rows],
        "samples": [
            {
                kind: {app: [asdict(each) for each in many] for app, many in by_app.items()}
                for kind, by_app in one.samples.items()
            }
            for one in measured
        ],
    }


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
