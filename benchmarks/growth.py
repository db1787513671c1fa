"""Measure how the cost of requests and commands grows with tenants, and with patients of a tenant.

A cost is CPU of trially and of PostgreSQL: of one request, or of one run of a command. Commands
are `tenants export` and `tenants prove` of one tenant, and `tenants migrate` (with nothing to do)
and `doctor` of all. `--write FILE` draws the curves. By default, this takes an hour and 10 GB. The
axes can be measured apart: `--add FILE` reads what another run has printed with `--json`.
"""

import json
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.growth_chart import Curve, Panel, draw
from benchmarks.installation import Installation, installation
from benchmarks.load import Load, compose_request
from benchmarks.measured_commands import Programs
from benchmarks.populations import FAMILY
from benchmarks.processes import gunicorn
from benchmarks.report import make_parser, print_outcome
from benchmarks.requests import CONNECTIONS, PATH, measure_burst
from benchmarks.search_seeding import compose_rows, seed
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

SUBJECT = "benchmark|owner"
PATIENTS_EACH = 100
"""Of each tenant, where the number of tenants grows."""

SENT = 1_000
IDS_READ = 1_000
POSTGRES_SETTINGS = {"max_connections": "500"}


@dataclass(frozen=True)
class Point:
    """The costs at one size."""

    size: int
    cpu_ms: dict[str, float]
    """By request or command."""


def main() -> None:
    parser = make_parser(__spec__.name, rounds=5, seconds=1.0)
    parser.add_argument("--tenants", type=int, nargs="*", default=[10, 100, 1_000])
    parser.add_argument("--patients", type=int, nargs="*", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--tier", choices=[*Tier], default=Tier.POOLED_ROWS)
    parser.add_argument(
        "--add", type=Path, nargs="+", default=[], metavar="FILE", help="add axes of other runs"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="draw the curves as SVG")
    options = parser.parse_args()
    measure = partial(_measure, rounds=options.rounds, seconds=options.seconds)
    tier = Tier(options.tier)
    axes: dict[str, list[Point]] = {}
    for printed in options.add:
        axes |= _read(printed)
    if options.tenants:
        axes["tenants"] = _grow_tenants(tier, sorted(options.tenants), measure)
    if options.patients:
        axes["patients of a tenant"] = _grow_patients(tier, sorted(options.patients), measure)
    if options.write:
        options.write.write_text(draw([_panel(axis, points) for axis, points in axes.items()]))
    line = "; ".join(f"{axis}: {_describe(points)}" for axis, points in axes.items())
    figures = {axis: [asdict(point) for point in points] for axis, points in axes.items()}
    print_outcome(f"growth ({tier}), CPU: {line}", figures, as_json=options.json)


def _read(printed: Path) -> dict[str, list[Point]]:
    """Return the points of each axis that another run has printed as JSON."""
    figures = json.loads(printed.read_text())
    return {
        axis: [Point(**point) for point in points]
        for axis, points in figures.items()
        if axis != "line"
    }


Measure = Callable[[Installation, Sequence[Tenant], int], Point]


def _grow_tenants(tier: Tier, sizes: Sequence[int], measure: Measure) -> list[Point]:
    """Measure requests to all tenants, and commands, after each addition of tenants."""
    points: list[Point] = []
    tenants: list[Tenant] = []
    with installation(postgres_settings=POSTGRES_SETTINGS) as installed:
        rows = compose_rows(PATIENTS_EACH)
        for size in sizes:
            added = _create(installed, tier, range(len(tenants), size))
            with installed.app.app_context():
                if tier is Tier.POOLED_ROWS:
                    seed(added[0], added[1:], rows)
                else:
                    for tenant in added:
                        seed(tenant, [], rows)
            tenants += added
            points.append(measure(installed, tenants, size))
    return points


def _grow_patients(tier: Tier, sizes: Sequence[int], measure: Measure) -> list[Point]:
    """Measure one tenant after the other, each with more patients."""
    points: list[Point] = []
    with installation(postgres_settings=POSTGRES_SETTINGS) as installed:
        for number, size in enumerate(sizes):
            tenants = _create(installed, tier, range(number, number + 1))
            with installed.app.app_context():
                seed(tenants[0], [], compose_rows(size))
            points.append(measure(installed, tenants, size))
    return points


def _create(installed: Installation, tier: Tier, numbers: range) -> list[Tenant]:
    """Create tenants with an owner."""
    tenants = []
    with installed.app.app_context():
        for number in numbers:
            tenants.append(create_tenant(f"tenant-{number}", f"Tenant {number}", tier=tier))
            with tenant_context(tenants[-1].slug):
                add_member(SUBJECT, Role.OWNER)
        for engine in db.engines.values():
            engine.dispose()
    return tenants


def _measure(
    installed: Installation, tenants: Sequence[Tenant], size: int, *, rounds: int, seconds: float
) -> Point:
    costs = _measure_requests(installed, tenants, rounds, seconds)
    programs = Programs(installed.environment, installed.postmaster_id)
    slug = tenants[-1].slug
    commands = {
        "export": ("export", slug, "--to", str(installed.settings.instance / f"export-{size}")),
        "prove": ("prove", slug),
        "migrate": ("migrate", "--all"),
    }
    for name, words in commands.items():
        costs[name] = _cpu_ms(programs, "tenants", *words)
    costs["doctor"] = _cpu_ms(programs, "doctor")
    print(f"{size:,}: {costs}", file=sys.stderr)
    return Point(size, costs)


def _cpu_ms(programs: Programs, *words: str) -> float:
    measured = programs.flask(*words)
    return (measured.cpu_seconds + measured.postgres_cpu_seconds) * 1000


def _measure_requests(
    installed: Installation, tenants: Sequence[Tenant], rounds: int, seconds: float
) -> dict[str, float]:
    """Return the CPU of one request of each kind, the median of all rounds."""
    by_kind = _compose(installed, tenants)
    taken: dict[str, list[float]] = {kind: [] for kind in by_kind}
    with gunicorn("benchmarks.twin:trially_app()", installed.environment) as server:
        for number in range(rounds + 1):
            for kind, requests in by_kind.items():
                load = Load(server.port, requests, 200, seconds, CONNECTIONS)
                sample = measure_burst(load, server, installed.postmaster_id)
                if number:  # the first round warms up
                    taken[kind].append((sample.application_us + sample.postgres_us) / 1000)
    return {kind: statistics.median(values) for kind, values in taken.items()}


def _compose(installed: Installation, tenants: Sequence[Tenant]) -> dict[str, list[str]]:
    """Return requests to tenants drawn at random."""
    issuer = state_of(installed.app).dev_issuer
    chance = random.Random(1)
    tokens = [issuer.issue_token(subject=SUBJECT, tenant=tenant.slug) for tenant in tenants]
    drawn = chance.choices(tokens, k=SENT)
    ids = _read_ids(installed, tenants[-1])
    searches = [json.dumps({"q": name}) for name in chance.choices(FAMILY, k=SENT)]
    return {
        "read one": [
            compose_request("GET", f"{PATH}/{chance.choice(ids)}", token) for token in drawn
        ],
        "list 50": [compose_request("GET", f"{PATH}?limit=50", token) for token in drawn],
        "search": [
            compose_request("POST", f"{PATH}/search", token, body)
            for token, body in zip(drawn, searches, strict=True)
        ],
    }


def _read_ids(installed: Installation, tenant: Tenant) -> list[str]:
    """Return ids of patients. Where there are several tenants, all have the same ones."""
    with installed.app.app_context():
        place = tenant.placement
        with server_access().administer(place.database) as raw:
            return [
                str(patient_id)
                for (patient_id,) in execute(
                    raw,
                    f"SELECT id FROM {place.schema}.patient WHERE tenant_id = %s LIMIT {IDS_READ}",
                    str(tenant.id),
                )
            ]


def _panel(axis: str, points: Sequence[Point]) -> Panel:
    first = points[0].cpu_ms
    curves = [
        Curve(name, [(point.size, point.cpu_ms[name] / first[name]) for point in points])
        for name in first
    ]
    return Panel(f"CPU, times that of {points[0].size:,} {axis}", axis, curves)


def _describe(points: Sequence[Point]) -> str:
    def show(name: str) -> str:
        return f"{name} {' → '.join(f'{point.cpu_ms[name]:,.1f}' for point in points)} ms"

    sizes: Any = " → ".join(f"{point.size:,}" for point in points)
    return f"{sizes}: {', '.join(map(show, points[0].cpu_ms))}"


if __name__ == "__main__":
    main()
