"""Measure how many small jobs one worker runs in a second, over many tenants in turn.

Each job has one step, which creates a site in its tenant. The effect, the job's completion and the
audit record are one commit, and PostgreSQL waits for the disk (fsync is on).
"""

import time
from uuid import uuid4

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.database.engines import engine_registry
from trially.database.rows import insert_item
from trially.database.session import transaction
from trially.jobs.enqueuing import enqueue
from trially.jobs.kinds import Kind, Step, Turn, register
from trially.jobs.worker import Worker
from trially.recruiting.sites.model import Site
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

BAR = 200.0


def _create_site(_turn: Turn) -> None:
    insert_item(Site, {"name": f"Site {uuid4()}"}, ("id",))


KIND = register(Kind("benchmark", (Step("site", _create_site),), needs=None))


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=60)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1_000, help="in all (default: %(default)s)")
    parser.add_argument("--tier", choices=list(Tier), default=Tier.POOLED_ROWS)
    options = parser.parse_args()
    rates: list[float] = []
    with installation() as installed, installed.app.app_context():
        slugs = [f"tenant-{number}" for number in range(options.tenants)]
        for slug in slugs:
            create_tenant(slug, slug, tier=Tier(options.tier))
        engine_registry().visit_in_turn()
        worker = Worker(installed.app, threads=1)
        for _ in range(options.rounds):
            _enqueue(slugs, options.jobs)
            began = time.perf_counter()
            number = worker.run_due()
            seconds = time.perf_counter() - began
            assert number == options.jobs, number
            rates.append(number / seconds)
    rate = sorted(rates)[len(rates) // 2]
    figures = {
        "bar": BAR,
        "tier": str(options.tier),
        "tenants": options.tenants,
        "jobs": options.jobs,
        "rates": rates,
        "jobs_per_second": rate,
    }
    line = (
        f"jobs: {rate:.0f} a second by one worker with one thread, {options.jobs:,} jobs of"
        f" {options.tenants} tenants ({options.tier}), median of {len(rates)} rounds"
    )
    print_outcome(line, figures, as_json=options.json)


def _enqueue(slugs: list[str], jobs: int) -> None:
    """Ask for jobs of all tenants alike."""
    for index, slug in enumerate(slugs):
        share = jobs // len(slugs) + (index < jobs % len(slugs))
        for _ in range(share):
            with tenant_context(slug), transaction():
                enqueue(KIND, {})


if __name__ == "__main__":
    main()
