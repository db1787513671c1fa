"""Measure migrations of a fleet: one with nothing to do, one column and index, and failures.

`python -m benchmarks.migrations --dedicated 200 --measure change`. The raw DDL that a change is
compared with has as many connections. Figures are seconds; those of CPU are
this process's and PostgreSQL's.
With `--measure failures`, gunicorn serves the app and the load comes from a third process.
"""

import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from flask import current_app

from benchmarks.installation import installation
from benchmarks.load import compose_request
from benchmarks.paced import Answer, PacedLoad, answers_during
from benchmarks.processes import cpu_seconds, gunicorn
from benchmarks.report import make_parser, print_outcome
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.session import db
from trially.state import app_state
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.migrating import running
from trially.tenancy.migrating.places import Place, read_places
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.preparing import prepare_servers
from trially.tenancy.migrating.progress import Progress
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.schema import templates
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, fingerprints_of, newest_revision
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

CHANGE = (
    "ALTER TABLE {schema}site ADD COLUMN seen_{name} text",
    "CREATE INDEX ix_site_seen_{name} ON {schema}site (tenant_id, seen_{name})",
)
MIGRATION = """
from alembic import op

revision, down_revision = "{revision}", "{head}"
branch_labels = depends_on = None


def upgrade():
    op.execute("{first}")
    op.execute("{second}")
"""
WAYS_TO_FAIL = (
    "ALTER TABLE tenant.site ADD COLUMN {column} int",
    "DROP TABLE tenant.site CASCADE",
    "ALTER TABLE tenant.alembic_version RENAME TO away",
)


WEB_WORKERS, WEB_THREADS = 2, 8
ASKED_TENANTS = 50
REQUESTS_PER_SECOND = 40.0
QUIET_SECONDS = 10.0
SETTLING_SECONDS = 0.3
"""How long closed sessions are given to end, before PostgreSQL's CPU is read."""


@dataclass(frozen=True)
class Options:
    """What is measured, and how."""

    workers: int
    rounds: int
    rates: list[float]
    """Tenants a second, of the runs beside requests."""

    environment: dict[str, str]
    postmaster_id: int


@dataclass(frozen=True)
class Timed:
    """How long something took, in seconds."""

    seconds: float
    own_cpu: float
    """CPU of this process."""

    all_cpu: float
    """CPU of this process and of PostgreSQL, whose share other users of the machine do not change.
    """

    result: Any


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=600)
    parser.add_argument("--dedicated", type=int, default=200, help="tenants with a database")
    parser.add_argument("--schemas", type=int, default=0, help="tenants with a schema")
    parser.add_argument("--pooled", type=int, default=0, help="tenants in shared tables")
    parser.add_argument("--workers", type=int, default=RunOptions.workers)
    parser.add_argument(
        "--rates", type=float, nargs="*", default=[], help="tenants a second, beside requests"
    )
    parser.add_argument("--measure", choices=("nothing", "change", "failures"), default="nothing")
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
        with server_access().administer() as raw:
            execute(raw, "CHECKPOINT")  # the new databases are not written during a measurement
        measured = Options(
            options.workers,
            options.rounds,
            options.rates,
            installed.environment,
            installed.postmaster_id,
        )
        measure: dict[str, Callable[[Options], dict[str, Any]]] = {
            "nothing": measure_nothing,
            "change": measure_change,
            "failures": measure_failures,
        }
        figures = measure[options.measure](measured)
    tenants = ", ".join(f"{number} {tier}" for tier, number in numbers.items() if number)
    line = f"{options.measure}: {tenants}, {options.workers} workers: {_shown(figures)}"
    print_outcome(line, figures, as_json=options.json)


def measure_nothing(options: Options) -> dict[str, Any]:
    """Migrate tenants that are at the head."""
    places = len(read_places())
    runs = [timed(lambda: migrate(options.workers)) for _ in range(options.rounds)]
    best = min(each.seconds for each in runs)
    cpu = min(each.own_cpu for each in runs)
    return {
        "places": places,
        "best_s": best,
        "ms_a_place": 1000 * best / places,
        "own_cpu_ms_a_place": 1000 * cpu / places,
    }


def measure_change(options: Options) -> dict[str, Any]:
    """Add a column and an index to each tenant, as raw DDL in parallel and as a migration.

    The time of a run includes that of the new template, which the run builds first.
    """
    raws: list[Timed] = []
    runs: list[Timed] = []
    templates_s = []
    with Lineage() as lineage:
        for number in range(options.rounds):
            raws.append(timed(partial(run_raw, f"raw_{number}", options.workers), options))
            lineage.add_migration()
            templates_s.append(timed(template).seconds)
            runs.append(timed(lambda: migrate(options.workers), options))
    raw_s, run_s = (min(each.seconds for each in of) for of in (raws, runs))
    raw_cpu_s, run_cpu_s = (min(each.all_cpu for each in of) for of in (raws, runs))
    return {
        "raw_s": raw_s,
        "run_s": run_s,
        "ratio": run_s / raw_s,
        "ratio_of_rounds": statistics.median(
            run.seconds / raw.seconds for run, raw in zip(runs, raws, strict=True)
        ),
        "raw_cpu_s": raw_cpu_s,
        "run_cpu_s": run_cpu_s,
        "ratio_of_cpu": run_cpu_s / raw_cpu_s,
        "template_s": min(templates_s),
        "migrated": len(runs[0].result.migrated),
        "own_cpu_s": min(each.own_cpu for each in runs),
    }


def measure_failures(options: Options) -> dict[str, Any]:
    """Migrate while gunicorn answers requests; three tenants fail, each in another way.

    Each rate has a migration of its own, and requests before and after it without a run.
    """
    places = [place for place in read_places() if place.records]
    broken, asked = places[: len(WAYS_TO_FAIL)], places[len(WAYS_TO_FAIL) :][:ASKED_TENANTS]
    first = after(newest_revision(TENANT_LINEAGE))
    for place, statement in zip(broken, WAYS_TO_FAIL, strict=True):
        with server_access().administer(place.database) as raw:
            execute(raw, statement.format(column=f"seen_next_{first}"))
    requests = [request_to(place.slugs[0]) for place in asked]
    app = "benchmarks.twin:trially_app()"
    with (
        gunicorn(app, options.environment, workers=WEB_WORKERS, threads=WEB_THREADS) as server,
        Lineage() as lineage,
    ):
        load = PacedLoad(server.port, requests, REQUESTS_PER_SECOND)
        answers_during(load, lambda: time.sleep(5))  # opens the connections to all tenants
        rates = options.rates or [RunOptions.rate]
        return {f"rate {rate:g}": run_beside(load, lineage, options, rate) for rate in rates}


def run_beside(
    load: PacedLoad, lineage: "Lineage", options: Options, rate: float
) -> dict[str, Any]:
    """Migrate with a new migration beside requests, and then once more."""
    wanted = RunOptions(workers=options.workers, rate=rate)
    runs: list[Timed] = []
    before = answers_during(load, lambda: time.sleep(QUIET_SECONDS))
    lineage.add_migration()
    during = answers_during(load, lambda: runs.append(timed(lambda: migrate_tenants(wanted))))
    later = answers_during(load, lambda: time.sleep(QUIET_SECONDS))
    again = migrate_tenants(wanted)
    (run,) = runs
    return {
        "migrated": len(run.result.migrated),
        "failed": [each.place.name for each in run.result.failed],
        "second_run_visited": again.total,
        "run_s": run.seconds,
        "own_cpu_s": run.own_cpu,
        "p95_before_ms": p95_ms(before),
        "p95_during_ms": p95_ms(during),
        "p95_after_ms": p95_ms(later),
        "ratio": p95_ms(during) / p95_ms(before + later),
        "requests": len(during),
        "errors": sum(each.status != 200 for each in (*before, *during, *later)),
    }


def request_to(slug: str) -> str:
    """Return a request of an owner of a tenant, who is added."""
    with tenant_context(slug):
        add_member("b|1", Role.OWNER)
    issuer = app_state().dev_issuer
    assert issuer is not None
    token = issuer.issue_token(subject="b|1", tenant=slug)
    return compose_request("GET", "/api/v1/sites", token)


def p95_ms(answers: list[Answer]) -> float:
    """Return the 95th percentile of the times of answers."""
    return 1000 * sorted(each.seconds for each in answers)[int(len(answers) * 0.95)]


def migrate(workers: int) -> Progress:
    return migrate_tenants(RunOptions(workers=workers, rate=10_000))


def run_raw(name: str, workers: int) -> None:
    """Run the change on each place, over a new connection each, in one transaction."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def run(place: Place) -> None:
        statements = [each.format(schema=f"{place.schema}.", name=name) for each in CHANGE]
        with app.app_context(), server_access(place.server).administer(place.database) as raw:
            execute(raw, ";".join(["BEGIN", *statements, "COMMIT"]))

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, read_places()))


class Lineage:
    """A copy of the lineage, to which migrations are added, and that this process uses."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="trially-lineage-"))
        self._copy = self._folder / "tenant"
        shutil.copytree(TENANT_LINEAGE, self._copy)
        self._use(self._copy)
        return self

    def add_migration(self) -> None:
        """Add a migration that adds a column and an index."""
        head = newest_revision(self._copy)
        revision = after(head)
        first, second = (each.format(schema="", name=f"next_{revision}") for each in CHANGE)
        script = MIGRATION.format(revision=revision, head=head, first=first, second=second)
        (self._copy / "versions" / f"{revision}_next.py").write_text(script)
        fingerprints_of.cache_clear()

    def __exit__(self, *_: object) -> None:
        self._use(TENANT_LINEAGE)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _use(self, lineage: Path) -> None:
        for module in (running, templates):
            module.TENANT_LINEAGE = lineage  # type: ignore[attr-defined]


def after(revision: str) -> str:
    """Return the number of the next revision."""
    return f"{int(revision) + 1:04d}"


def template() -> None:
    """Build the template of the newest migration, as a run would do first."""
    prepare_servers(["default"], is_head=True)


def timed(work: Callable[[], Any], options: Options | None = None) -> Timed:
    """Return how long work takes, and what it returns."""

    def server_cpu() -> float:
        if options is None:
            return 0.0
        time.sleep(SETTLING_SECONDS)
        return cpu_seconds(options.postmaster_id)

    before, server_before = resource.getrusage(resource.RUSAGE_SELF), server_cpu()
    began = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - began
    after_it = resource.getrusage(resource.RUSAGE_SELF)
    own = after_it.ru_utime + after_it.ru_stime - before.ru_utime - before.ru_stime
    return Timed(seconds, own, own + server_cpu() - server_before, result)


def _shown(figures: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )


if __name__ == "__main__":
    main()
