"""Measure migrations of a fleet: one with nothing to do, one column and index, and failures.

`python -m benchmarks.migrations --dedicated 200 --measure change`. The raw DDL that a change is
compared with has as many connections. Figures are seconds, and CPU seconds of this process.
"""

import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.auth.members.managing import add_member
from trially.auth.permissions import Role
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.migrating import running
from trially.tenancy.migrating.places import Place, read_places
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.progress import Progress
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.schema.lineages import TENANT_LINEAGE, alembic_config
from trially.tenancy.schema.revision_files import newest_revision
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
    "ALTER TABLE tenant.site ADD COLUMN seen_next int",
    "DROP TABLE tenant.site CASCADE",
    "ALTER TABLE tenant.alembic_version RENAME TO away",
)


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=600)
    parser.add_argument("--dedicated", type=int, default=200, help="tenants with a database")
    parser.add_argument("--schemas", type=int, default=0, help="tenants with a schema")
    parser.add_argument("--pooled", type=int, default=0, help="tenants in shared tables")
    parser.add_argument("--workers", type=int, default=4)
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
        measure: dict[str, Callable[[int, int], dict[str, Any]]] = {
            "nothing": measure_nothing,
            "change": measure_change,
            "failures": measure_failures,
        }
        figures = measure[options.measure](options.workers, options.rounds)
    tenants = ", ".join(f"{number} {tier}" for tier, number in numbers.items() if number)
    line = f"{options.measure}: {tenants}, {options.workers} workers: {_shown(figures)}"
    print_outcome(line, figures, as_json=options.json)


def measure_nothing(workers: int, rounds: int) -> dict[str, Any]:
    """Migrate tenants that are at the head."""
    places = len(read_places())
    runs = [timed(lambda: migrate(workers)) for _ in range(rounds)]
    best = min(seconds for seconds, _, _ in runs)
    cpu = min(cpu for _, cpu, _ in runs)
    return {
        "places": places,
        "best_s": best,
        "ms_a_place": 1000 * best / places,
        "own_cpu_ms_a_place": 1000 * cpu / places,
    }


def measure_change(workers: int, _rounds: int) -> dict[str, Any]:
    """Add a column and an index to each tenant, as raw DDL in parallel and as a migration."""
    raw_s, raw_cpu, _ = timed(lambda: run_raw("raw_before", workers))
    with next_migration():
        run_s, run_cpu, progress = timed(lambda: migrate(workers))
    again_s, again_cpu, _ = timed(lambda: run_raw("raw_after", workers))
    best = min(raw_s, again_s)
    return {
        "raw_s": best,
        "migrated": len(progress.migrated),
        "run_s": run_s,
        "ratio": run_s / best,
        "raw_cpu_s": min(raw_cpu, again_cpu),
        "own_cpu_s": run_cpu,
    }


def measure_failures(workers: int, _rounds: int) -> dict[str, Any]:
    """Migrate while requests are answered; three tenants fail, each in another way."""
    broken = [place for place in read_places() if place.records][: len(WAYS_TO_FAIL)]
    for place, statement in zip(broken, WAYS_TO_FAIL, strict=True):
        with server_access().administer(place.database) as raw:
            execute(raw, statement)
    for place in read_places()[len(broken) :][:50]:
        with tenant_context(place.slugs[0]):
            add_member("b|1", Role.OWNER)
    asked = [place.slugs[0] for place in read_places() if place.records][len(broken) :][:50]
    with next_migration():
        quiet = latencies_during(lambda: time.sleep(15), asked)
        outcome: list[Progress] = []
        busy = latencies_during(lambda: outcome.append(migrate(workers)), asked)
        second = migrate(workers)
    first = outcome[0]
    return {
        "migrated": len(first.migrated),
        "failed": [each.place.name for each in first.failed],
        "run_s": first.seconds,
        "second_run_visited": second.total,
        "second_run_s": second.seconds,
        "p95_quiet_ms": quiet[0],
        "p95_during_ms": busy[0],
        "requests": [quiet[1], busy[1]],
        "errors": [quiet[2], busy[2]],
    }


def latencies_during(work: Callable[[], object], slugs: list[str]) -> tuple[float, int, int]:
    """Return the 95th percentile in ms, the number of requests and of errors, meanwhile."""
    app = running.current_app._get_current_object()  # type: ignore[attr-defined]
    ended = threading.Event()
    took: list[float] = []
    statuses: list[int] = []

    def ask() -> None:
        client, number = app.test_client(), 0
        tokens = {
            slug: state_of(app).dev_issuer.issue_token(subject="b|1", tenant=slug) for slug in slugs
        }
        while not ended.is_set():
            slug = slugs[number % len(slugs)]
            number += 1
            began = time.perf_counter()
            answer = client.get(
                "/api/v1/sites", headers={"Authorization": f"Bearer {tokens[slug]}"}
            )
            took.append(time.perf_counter() - began)
            statuses.append(answer.status_code)
            time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        work()
    finally:
        ended.set()
        asking.join()
    at = sorted(took)[int(len(took) * 0.95)] if took else 0.0
    return 1000 * at, len(took), sum(status >= 500 for status in statuses)


def migrate(workers: int) -> Progress:
    return migrate_tenants(RunOptions(workers=workers, rate=10_000))


def run_raw(name: str, workers: int) -> None:
    """Run the change on each place, over a new connection each, in one transaction."""
    app = running.current_app._get_current_object()  # type: ignore[attr-defined]

    def run(place: Place) -> None:
        statements = [each.format(schema=f"{place.schema}.", name=name) for each in CHANGE]
        with app.app_context(), server_access(place.server).administer(place.database) as raw:
            execute(raw, ";".join(["BEGIN", *statements, "COMMIT"]))

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, read_places()))


class next_migration:  # noqa: N801
    """Let runs use a copy of the lineage with one more migration."""

    def __enter__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="trially-lineage-"))
        lineage = self._folder / "tenant"
        shutil.copytree(TENANT_LINEAGE, lineage)
        head = newest_revision(TENANT_LINEAGE)
        revision = f"{int(head) + 1:04d}"
        first, second = (each.format(schema="", name="next") for each in CHANGE)
        script = MIGRATION.format(revision=revision, head=head, first=first, second=second)
        (lineage / "versions" / f"{revision}_next.py").write_text(script)
        running.alembic_config = lambda _lineage: alembic_config(lineage)

    def __exit__(self, *_: object) -> None:
        running.alembic_config = alembic_config
        with suppress(OSError):
            shutil.rmtree(self._folder)


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the wall time, the CPU time of this process, and the result."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = work()
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def _shown(figures: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )


if __name__ == "__main__":
    main()
